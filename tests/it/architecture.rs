//! The rules of the source tree: the arrows between its folders, circles between its files, and purity of the domain.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::Visit;
use syn::{File, Item, UseTree};

use crate::style::{files_below, has_word};

const SRC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");

/// The arrows between folders: each may import itself and these. A folder without a line of its own is part of the
/// folder above it.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain/shared", &[]),
    ("domain/sale", &["domain/shared"]),
    ("domain/ordering", &["domain/shared"]),
    ("domain/admission", &["domain/shared"]),
    ("domain/payment", &["domain/ordering", "domain/shared"]),
    ("application/shared", &["domain/shared"]),
    ("sabotage", &[]),
    ("application/sale", &["application/shared", "domain/sale", "domain/shared", "sabotage"]),
    (
        "application/ordering",
        &["application/sale", "application/shared", "domain/ordering", "domain/sale", "domain/shared", "sabotage"],
    ),
    (
        "application/payment",
        &[
            "application/ordering",
            "application/shared",
            "domain/ordering",
            "domain/payment",
            "domain/shared",
            "sabotage",
        ],
    ),
    (
        "application/admission",
        &["application/sale", "application/shared", "domain/admission", "domain/sale", "domain/shared"],
    ),
    ("infrastructure/telemetry", &["domain/shared"]),
    (
        "infrastructure/payment",
        &[
            "application/payment",
            "domain/payment",
            "domain/shared",
            "infrastructure/metrics",
            "infrastructure/telemetry",
        ],
    ),
    ("infrastructure/tokens", &["domain/shared"]),
    ("infrastructure/backoff", &[]),
    ("infrastructure/catalog_csv", &["domain/sale", "domain/shared"]),
    ("infrastructure/accept_queue", &[]),
    ("infrastructure/open_files", &[]),
    ("infrastructure/local", &["infrastructure/backoff", "infrastructure/postgres"]),
    // A stand-in for somebody else's program: it knows nothing of the service.
    ("infrastructure/provider", &[]),
    (
        "infrastructure/metrics",
        &[
            "application/ordering",
            "application/payment",
            "application/sale",
            "application/shared",
            "domain/ordering",
            "domain/sale",
            "domain/shared",
        ],
    ),
    (
        "infrastructure/redis",
        &[
            "application/sale",
            "application/shared",
            "domain/sale",
            "domain/shared",
            "infrastructure/metrics",
            "sabotage",
        ],
    ),
    (
        "infrastructure/postgres",
        &[
            "application/admission",
            "application/ordering",
            "application/payment",
            "application/sale",
            "application/shared",
            "domain/admission",
            "domain/ordering",
            "domain/payment",
            "domain/sale",
            "domain/shared",
            "infrastructure/metrics",
        ],
    ),
    (
        "infrastructure/background",
        &[
            "application/admission",
            "application/ordering",
            "application/payment",
            "application/sale",
            "application/shared",
            "domain/shared",
            "infrastructure/backoff",
            "infrastructure/metrics",
            "infrastructure/postgres",
            "infrastructure/telemetry",
        ],
    ),
    (
        "infrastructure/http/platform",
        &[
            "application/admission",
            "application/ordering",
            "application/payment",
            "application/sale",
            "application/shared",
            "domain/ordering",
            "domain/payment",
            "domain/sale",
            "domain/shared",
            "infrastructure/metrics",
            "infrastructure/payment",
            "infrastructure/telemetry",
            "infrastructure/tokens",
            "sabotage",
        ],
    ),
    ("infrastructure/http/identity", &["domain/shared", "infrastructure/http/platform"]),
    (
        "infrastructure/http/admission",
        &[
            "application/admission",
            "application/shared",
            "domain/admission",
            "domain/shared",
            "infrastructure/http/platform",
            "infrastructure/http/sale",
            "infrastructure/metrics",
            "infrastructure/tokens",
        ],
    ),
    (
        "infrastructure/http/sale",
        &[
            "application/sale",
            "application/shared",
            "domain/ordering",
            "domain/sale",
            "domain/shared",
            "infrastructure/http/platform",
            "infrastructure/metrics",
            "infrastructure/tokens",
        ],
    ),
    (
        "infrastructure/http/ordering",
        &[
            "application/ordering",
            "application/payment",
            "application/shared",
            "domain/ordering",
            "domain/payment",
            "domain/sale",
            "domain/shared",
            "infrastructure/http/platform",
            "infrastructure/payment",
        ],
    ),
    (
        "infrastructure/http/admin",
        &[
            "application/admission",
            "application/ordering",
            "application/sale",
            "application/shared",
            "domain/ordering",
            "domain/sale",
            "domain/shared",
            "infrastructure/http/admission",
            "infrastructure/http/ordering",
            "infrastructure/http/platform",
            "infrastructure/http/sale",
        ],
    ),
    (
        "infrastructure/http/operations",
        &["application/sale", "application/shared", "infrastructure/http/platform", "infrastructure/metrics"],
    ),
    ("infrastructure/http/web", &["domain/shared", "infrastructure/http/platform"]),
    // Pages call the use cases, and show the same problems as the endpoints for programs.
    (
        "infrastructure/http/storefront",
        &[
            "application/admission",
            "application/ordering",
            "application/payment",
            "application/sale",
            "application/shared",
            "domain/admission",
            "domain/ordering",
            "domain/payment",
            "domain/sale",
            "domain/shared",
            "infrastructure/http/admission",
            "infrastructure/http/operations",
            "infrastructure/http/ordering",
            "infrastructure/http/platform",
            "infrastructure/http/sale",
            "infrastructure/http/web",
            "infrastructure/tokens",
        ],
    ),
    (
        "infrastructure/http/console",
        &[
            "application/admission",
            "application/payment",
            "application/sale",
            "application/shared",
            "domain/admission",
            "domain/sale",
            "domain/shared",
            "infrastructure/catalog_csv",
            "infrastructure/http/admin",
            "infrastructure/http/platform",
            "infrastructure/http/sale",
            "infrastructure/http/web",
        ],
    ),
    // The table of endpoints, and the entrance to the interface.
    (
        "infrastructure/http",
        &[
            "application/admission",
            "application/ordering",
            "application/payment",
            "application/sale",
            "infrastructure/http/admin",
            "infrastructure/http/admission",
            "infrastructure/http/console",
            "infrastructure/http/identity",
            "infrastructure/http/operations",
            "infrastructure/http/ordering",
            "infrastructure/http/platform",
            "infrastructure/http/sale",
            "infrastructure/http/storefront",
            "infrastructure/http/web",
        ],
    ),
    (
        "config",
        &[
            "application/admission",
            "application/sale",
            "domain/sale",
            "domain/shared",
            "infrastructure/http",
            "infrastructure/http/platform",
            "infrastructure/local",
            "infrastructure/payment",
            "infrastructure/telemetry",
            "infrastructure/tokens",
        ],
    ),
    // The composition root.
    (
        "startup",
        &[
            "application/admission",
            "application/ordering",
            "application/payment",
            "application/sale",
            "config",
            "domain/shared",
            "infrastructure/accept_queue",
            "infrastructure/background",
            "infrastructure/http",
            "infrastructure/http/platform",
            "infrastructure/metrics",
            "infrastructure/open_files",
            "infrastructure/payment",
            "infrastructure/postgres",
            "infrastructure/redis",
        ],
    ),
    (
        "cli",
        &[
            "application/ordering",
            "application/payment",
            "application/sale",
            "config",
            "domain/admission",
            "domain/ordering",
            "domain/sale",
            "domain/shared",
            "infrastructure/catalog_csv",
            "infrastructure/local",
            "infrastructure/postgres",
            "infrastructure/provider",
            "infrastructure/telemetry",
            "infrastructure/tokens",
            "startup",
        ],
    ),
];

/// Circles between files that are meant, each with its reason.
const CIRCLES: &[(&[&str], &str)] = &[];

/// One source file with its imports, tests left out.
struct Source {
    path: PathBuf,
    /// Paths of modules and items, such as `crate::domain::shared::Money`, as segments after `crate`.
    imports: BTreeSet<Vec<String>>,
    /// Names that the file defines.
    defined: BTreeSet<String>,
    /// Names that the file re-exports, with their paths.
    exported: Vec<(String, Vec<String>)>,
}

/// The source tree by module path.
struct Tree(BTreeMap<Vec<String>, Source>);

impl Tree {
    fn read() -> Self {
        let mut tree = Tree(BTreeMap::new());
        tree.add_folder(Path::new(SRC), &[]);
        tree
    }

    fn add_folder(&mut self, folder: &Path, module: &[String]) {
        let is_tests = |name: &str| name.ends_with("tests") || name == "failing_stores" || name == "memory";
        let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let own = match name.as_str() {
                "mod" | "lib" => module.to_vec(),
                _ => [module, std::slice::from_ref(&name)].concat(),
            };
            if is_tests(&name) {
                continue;
            }
            if path.is_dir() {
                self.add_folder(&path, &own);
            } else if path.extension().is_some_and(|extension| extension == "rs") && name != "main" {
                let source = Source::read(path, &own);
                self.0.insert(own, source);
            }
        }
    }

    /// The file that defines what an import names.
    fn file_of(&self, import: &[String]) -> Option<&Path> {
        self.resolve(import, 0)
    }

    fn resolve(&self, import: &[String], depth: usize) -> Option<&Path> {
        let length = (0..=import.len()).rev().find(|length| self.0.contains_key(&import[..*length]))?;
        let source = &self.0[&import[..length]];
        let Some(name) = import.get(length) else { return Some(&source.path) };
        if source.defined.contains(name) || depth > 8 {
            return Some(&source.path);
        }
        let exported = source.exported.iter().filter(|(exported, _)| exported == name || exported == "*");
        let targets = exported.map(|(exported, path)| match exported.as_str() {
            "*" => [path.as_slice(), std::slice::from_ref(name)].concat(),
            _ => path.clone(),
        });
        targets.into_iter().find_map(|target| {
            let found = self.resolve(&target, depth + 1)?;
            (found != source.path).then_some(found)
        })
    }

    /// Each file with the files that it imports.
    fn imports(&self) -> BTreeMap<&Path, BTreeSet<&Path>> {
        let imported = |source: &Source| self.files_of(source, source.imports.iter());
        self.0.values().map(|source| (source.path.as_path(), imported(source))).collect()
    }

    /// Each file with the files that it imports or re-exports.
    fn arrows(&self) -> BTreeMap<&Path, BTreeSet<&Path>> {
        let exported = |source: &Source| self.files_of(source, source.exported.iter().map(|(_, path)| path));
        let mut arrows = self.imports();
        for source in self.0.values() {
            arrows.entry(source.path.as_path()).or_default().extend(exported(source));
        }
        arrows
    }

    fn files_of<'a>(&self, source: &Source, paths: impl Iterator<Item = &'a Vec<String>>) -> BTreeSet<&Path> {
        paths.filter_map(|path| self.file_of(path)).filter(|file| *file != source.path).collect()
    }
}

impl Source {
    fn read(path: PathBuf, module: &[String]) -> Self {
        let text = fs::read_to_string(&path).unwrap();
        let file: File = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut reader = Reader { module: module.to_vec(), imports: BTreeSet::new(), exported: Vec::new() };
        let defined = file.items.iter().filter_map(name_of).collect();
        reader.visit_file(&file);
        Source { path, imports: reader.imports, defined, exported: reader.exported }
    }
}

/// Collects the imports of one file.
struct Reader {
    module: Vec<String>,
    imports: BTreeSet<Vec<String>>,
    exported: Vec<(String, Vec<String>)>,
}

impl Reader {
    /// The path after `crate`; `None` for a path into another crate.
    fn absolute(&self, path: &[String]) -> Option<Vec<String>> {
        let supers = path.iter().take_while(|segment| *segment == "super").count();
        match path.first().map(String::as_str) {
            Some("crate") => Some(path[1..].to_vec()),
            Some("self") => Some([&self.module, &path[1..]].concat()),
            Some("super") => Some([&self.module[..self.module.len().checked_sub(supers)?], &path[supers..]].concat()),
            _ => None,
        }
    }

    fn read_use(&mut self, tree: &UseTree, before: &mut Vec<String>, is_exported: bool) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.read_use(&path.tree, before, is_exported);
                before.pop();
            }
            UseTree::Group(group) => group.items.iter().for_each(|item| self.read_use(item, before, is_exported)),
            UseTree::Glob(_) => self.add_use(before.clone(), "*".to_owned(), is_exported),
            UseTree::Name(name) if name.ident == "self" => {
                let name = before.last().cloned().unwrap_or_default();
                self.add_use(before.clone(), name, is_exported);
            }
            UseTree::Name(name) => {
                self.add_use(
                    [before.as_slice(), &[name.ident.to_string()]].concat(),
                    name.ident.to_string(),
                    is_exported,
                );
            }
            UseTree::Rename(rename) => {
                let path = [before.as_slice(), &[rename.ident.to_string()]].concat();
                self.add_use(path, rename.rename.to_string(), is_exported);
            }
        }
    }

    fn add_use(&mut self, path: Vec<String>, name: String, is_exported: bool) {
        // A path that begins with a name is one of this module, or of another crate.
        let absolute = self.absolute(&path).unwrap_or_else(|| [&self.module, path.as_slice()].concat());
        match is_exported {
            true => self.exported.push((name, absolute)),
            false => _ = self.imports.insert(absolute),
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(module) => &module.attrs,
            Item::Fn(function) => &function.attrs,
            Item::Use(import) => &import.attrs,
            _ => &Vec::new(),
        };
        let is_test = attributes.iter().any(|attribute| {
            attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Ident>().is_ok_and(|cfg| cfg == "test")
        });
        match item {
            _ if is_test => {}
            Item::Use(import) => {
                let is_exported = !matches!(import.vis, syn::Visibility::Inherited);
                self.read_use(&import.tree, &mut Vec::new(), is_exported);
            }
            _ => syn::visit::visit_item(self, item),
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1
            && matches!(segments[0].as_str(), "crate" | "super")
            && let Some(absolute) = self.absolute(&segments)
        {
            self.imports.insert(absolute);
        }
        syn::visit::visit_path(self, path);
    }
}

fn name_of(item: &Item) -> Option<String> {
    Some(match item {
        Item::Const(item) => item.ident.to_string(),
        Item::Enum(item) => item.ident.to_string(),
        Item::Fn(item) => item.sig.ident.to_string(),
        Item::Macro(item) => item.ident.as_ref()?.to_string(),
        Item::Static(item) => item.ident.to_string(),
        Item::Struct(item) => item.ident.to_string(),
        Item::Trait(item) => item.ident.to_string(),
        Item::Type(item) => item.ident.to_string(),
        _ => return None,
    })
}

/// A file as it is named in this test: below `src`, with slashes.
fn short(path: &Path) -> String {
    path.strip_prefix(SRC).unwrap().to_string_lossy().into_owned()
}

/// The folder of [`ARROWS`] that a file belongs to.
fn folder_of(file: &str) -> Option<&'static str> {
    let is_in = |folder: &str| file.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/') || rest == ".rs");
    ARROWS.iter().map(|(folder, _)| *folder).find(|folder| is_in(folder))
}

#[test]
fn folders_import_only_what_they_may() {
    let tree = Tree::read();
    let mut wrong = Vec::new();
    for (file, imported) in tree.arrows() {
        let file = short(file);
        let Some(folder) = folder_of(&file) else {
            let is_hub =
                ["lib.rs", "domain/mod.rs", "application/mod.rs", "infrastructure/mod.rs"].contains(&file.as_str());
            assert!(is_hub, "{file} is in no folder that ARROWS names");
            continue;
        };
        let (_, allowed) = ARROWS.iter().find(|(known, _)| *known == folder).unwrap();
        for imported in imported.into_iter().map(short) {
            let target = folder_of(&imported);
            if target.is_none_or(|target| target != folder && !allowed.contains(&target)) {
                wrong.push(format!("{file} imports {imported}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn files_do_not_import_each_other_in_circles() {
    let tree = Tree::read();
    let edges = tree.imports();
    let known: BTreeSet<BTreeSet<String>> =
        CIRCLES.iter().map(|(files, _reason)| files.iter().map(ToString::to_string).collect()).collect();
    let found: BTreeSet<BTreeSet<String>> = circles(&edges).into_iter().collect();
    let new: Vec<_> = found.difference(&known).collect();
    let gone: Vec<_> = known.difference(&found).collect();
    assert!(new.is_empty(), "new circles: {new:#?}");
    assert!(gone.is_empty(), "circles that are gone: take them off the list: {gone:#?}");
}

/// The sets of files each of which reaches all others of its set.
fn circles(edges: &BTreeMap<&Path, BTreeSet<&Path>>) -> Vec<BTreeSet<String>> {
    let reached = |from: &Path| {
        let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(file) = next.pop() {
            let further = edges.get(file).into_iter().flatten().filter(|file| reached.insert(**file));
            next.extend(further.copied().collect::<Vec<_>>());
        }
        reached
    };
    let all: BTreeMap<&Path, BTreeSet<&Path>> = edges.keys().map(|file| (*file, reached(file))).collect();
    let circle = |file: &Path| -> BTreeSet<String> {
        all[file]
            .iter()
            .filter(|other| all.get(**other).is_some_and(|reached| reached.contains(file)))
            .map(|file| short(file))
            .collect()
    };
    let circles: BTreeSet<BTreeSet<String>> =
        all.keys().map(|file| circle(file)).filter(|circle| !circle.is_empty()).collect();
    circles.into_iter().collect()
}

#[test]
fn the_domain_has_no_clock_no_randomness_and_no_store() {
    let forbidden = ["Utc::now", "Local::now", "SystemTime", "Instant", "rand", "tokio", "sqlx", "redis", "hyper"];
    assert_unused(&["src/domain"], &forbidden);
}

#[test]
fn the_clock_of_an_instance_decides_nothing_about_an_order() {
    let clocks = ["Utc::now", "Local::now", "SystemTime", "Instant"];
    assert_unused(&["src/application/ordering", "src/application/payment"], &clocks);
}

/// Fails if the code below these folders uses one of these words.
fn assert_unused(folders: &[&str], words: &[&str]) {
    for file in files_below(folders) {
        let text = fs::read_to_string(&file).unwrap();
        for word in words {
            let is_used = |line: &str| !line.trim_start().starts_with("//") && has_word(line, word);
            assert!(!text.lines().any(is_used), "{} uses {word}", file.display());
        }
    }
}
