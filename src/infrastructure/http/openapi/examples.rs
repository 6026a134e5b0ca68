//! Examples, as the service really took and gave them. Only `internal_error` is made up.

use std::sync::LazyLock;

use serde_json::Value;

use super::super::code::ProblemCode;

static EXAMPLES: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("examples.json")).unwrap_or_else(|error| unreachable!("it is tested: {error}"))
});

/// What one operation is asked (`request`) or answers (a status).
pub fn of(operation: &str, part: &str) -> Option<Value> {
    EXAMPLES["operations"][operation].get(part).cloned()
}

/// A problem of this code.
pub fn of_problem(code: ProblemCode) -> Option<Value> {
    EXAMPLES["problems"].get(code.word()).cloned()
}
