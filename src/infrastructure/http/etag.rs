//! Answers that the caller may have already.

use std::hash::{DefaultHasher, Hasher};

use hyper::header::{HeaderMap, IF_NONE_MATCH};

/// A tag for these bytes.
pub fn of(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    format!("\"{:016x}\"", hasher.finish())
}

/// Whether the caller has what this tag stands for.
pub fn is_known(asked: &HeaderMap, tag: &str) -> bool {
    let listed = asked.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut known = listed.flat_map(|value| value.split(',')).map(str::trim);
    known.any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}
