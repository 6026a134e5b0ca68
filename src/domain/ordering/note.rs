//! The words of a person who cancels an order.

use std::fmt;
use std::str::FromStr;

use crate::domain::shared::Invalid;
use crate::domain::shared::limits::NOTE_CHARS_MAX;

/// The words of a person who cancels an order, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note(String);

impl Note {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Note {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if !(1..=NOTE_CHARS_MAX).contains(&text.chars().count()) || text.chars().any(char::is_control) {
            let rule = format!("must have 1 to {NOTE_CHARS_MAX} characters, none of them a control character");
            return Err(Invalid::new(rule));
        }
        Ok(Note(text.to_owned()))
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_one_line() {
        for text in ["x", "asked by telephone, 20:15 – Müller", &"ü".repeat(NOTE_CHARS_MAX)] {
            assert_eq!(text.parse::<Note>().unwrap().as_str(), text);
        }
        for text in ["", "two\nlines", "\u{1b}[31m", "\0", &"x".repeat(NOTE_CHARS_MAX + 1)] {
            assert!(text.parse::<Note>().is_err(), "{text:?}");
        }
    }
}
