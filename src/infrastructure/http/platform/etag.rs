//! Entity tags, for answers that the caller may have.

use std::hash::{DefaultHasher, Hasher};

use hyper::header::{HeaderMap, IF_NONE_MATCH};

/// Returns the tag of these bytes.
pub fn of(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    format!("\"{:016x}\"", hasher.finish())
}

/// Returns true if `If-None-Match` names this tag.
pub fn is_known(request: &HeaderMap, tag: &str) -> bool {
    let listed = request.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut known = listed.flat_map(|value| value.split(',')).map(str::trim);
    known.any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}
