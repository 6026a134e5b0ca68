//! Examples of problems, as the service answered them. Only `internal_error` is made up.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::super::problem_code::ProblemCode;

static EXAMPLES: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("problems.json")).unwrap_or_else(|error| unreachable!("a test reads it: {error}"))
});

/// Returns an example of a problem with this code, if there is one.
pub fn of_problem(code: ProblemCode) -> Option<Value> {
    let mut problem = json!({
        "type": format!("urn:flashsale:problem:{}", code.word()),
        "title": code.title(),
        "status": code.status().as_u16(),
        "code": code.word(),
    });
    let more = EXAMPLES.get(code.word())?.as_object()?;
    problem.as_object_mut()?.extend(more.clone());
    Some(problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_belongs_to_a_code() {
        let codes: Vec<&str> = ProblemCode::ALL.iter().map(|code| code.word()).collect();
        for word in EXAMPLES.as_object().unwrap().keys() {
            assert!(codes.contains(&word.as_str()), "{word}");
        }
    }

    #[test]
    fn every_code_has_an_example() {
        for code in ProblemCode::ALL {
            assert!(of_problem(*code).is_some(), "{}", code.word());
        }
    }
}
