//! The style of all texts of the repository: the openings of doc comments, and words that are retired.

use std::fs;
use std::path::{Path, PathBuf};

/// Openings of a doc comment that hide its subject.
const RIDDLES: [&str; 13] =
    ["What", "How", "Whether", "Who", "Whose", "Whoever", "Why", "Where", "Which", "That", "When", "Whatever", "So"];

#[test]
fn doc_comments_begin_with_a_verb_or_a_noun() {
    let mut odd = Vec::new();
    for file in files_below(&["src", "tests", "loadtest"]) {
        let text = fs::read_to_string(&file).unwrap();
        let mut before = "";
        for line in text.lines().map(str::trim_start) {
            let comment = line.strip_prefix("/// ").or_else(|| line.strip_prefix("//! "));
            let begins = comment.is_some() && !before.starts_with("//");
            before = line;
            let Some(comment) = comment.filter(|_| begins) else { continue };
            let first = comment.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
            if RIDDLES.contains(&first) {
                odd.push(format!("{}: {comment}", file.display()));
            }
        }
    }
    assert!(odd.is_empty(), "these doc comments open with a question word:\n{}", odd.join("\n"));
}

/// Words that the vocabulary has retired, in any text of the repository.
const RETIRED: [&str; 32] = [
    "anew",
    "for ever",
    "whoever",
    "seen off",
    "see_off",
    "take_in",
    "must be more than nothing",
    "There is nothing here",
    "closed_shop",
    "ClosedShop",
    "Basket",
    "basket",
    "dead_letter",
    "DeadLetter",
    "dead letter",
    "PurchaseRecord",
    "purchase_records",
    "CheckedOut",
    "Purchased::",
    "Declined::",
    "Refused {",
    "Auditing",
    "Audited",
    "Trouble",
    "StoreTrouble",
    "Felt",
    "Pulse",
    "Asked",
    "Faults",
    "looking.rs",
    "told.rs",
    "sold_by_code",
];

#[test]
fn retired_words_are_gone() {
    let mut found = Vec::new();
    for file in files_below(&["src", "tests", "loadtest", "wiki", "migrations", "monitoring"]) {
        if file.ends_with("tests/it/style.rs") {
            continue;
        }
        let Ok(text) = fs::read_to_string(&file) else { continue };
        for (number, line) in text.lines().enumerate() {
            for word in RETIRED.into_iter().filter(|word| has_word(line, word)) {
                found.push(format!("{}:{}: {word}", file.display(), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// Returns true if the text contains the word as a whole word.
pub fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let before = text[..at].chars().next_back().is_some_and(is_part);
        let after = text[at + word.len()..].chars().next().is_some_and(is_part) && word.ends_with(is_part);
        !before && !after
    })
}

/// Returns the text files below these folders of the repository.
pub fn files_below(folders: &[&str]) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut next: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut files = Vec::new();
    while let Some(path) = next.pop() {
        if path.is_dir() {
            let is_ours = |path: &PathBuf| !path.ends_with("loadtest/results");
            next.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).filter(is_ours));
        } else if path
            .extension()
            .is_some_and(|extension| ["rs", "md", "sql", "lua", "yml", "toml"].iter().any(|known| extension == *known))
        {
            files.push(path);
        }
    }
    files.sort();
    files
}
