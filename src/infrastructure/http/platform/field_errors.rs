//! Errors in the fields of a request, all of them at once.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use crate::domain::shared::Invalid;

use super::problem::Problem;
use super::problem_code::ProblemCode;

/// Most characters of a field name or a message. Both can contain text of the caller.
const ECHO_CHARS_MAX: usize = 200;

/// The errors of a request by field. Only the first error of a field counts.
#[derive(Debug, Default)]
pub struct FieldErrors(BTreeMap<String, String>);

impl FieldErrors {
    /// Returns the problem of one error.
    pub fn one(field: &str, message: &str) -> Problem {
        let mut errors = FieldErrors::default();
        errors.add(field, message);
        errors.into_problem()
    }

    /// Adds an error.
    pub fn add(&mut self, field: &str, message: &str) {
        self.0.entry(shortened(field)).or_insert_with(|| shortened(message));
    }

    /// Parses a text. Returns `None` without a text, or if the text is invalid, which adds an error.
    pub fn parse<T: FromStr<Err = Invalid>>(&mut self, field: &str, text: Option<impl AsRef<str>>) -> Option<T> {
        text.and_then(|text| self.take(field, text.as_ref().parse()))
    }

    /// Returns the value, or `None` with its error added.
    pub fn take<T>(&mut self, field: &str, value: Result<T, Invalid>) -> Option<T> {
        value.map_err(|error| self.add(field, error.message())).ok()
    }

    /// Returns the value of a field that may be in the query or in the body, and not in both.
    pub fn either<T>(&mut self, field: &str, in_query: Option<T>, in_body: Option<T>) -> Option<T> {
        if in_query.is_some() && in_body.is_some() {
            self.add(field, "is in the query and in the body: send it once");
        }
        in_query.or(in_body)
    }

    /// Adds the error that a field is missing, unless it has another error.
    pub fn missing(&mut self, field: &str) {
        self.add(field, "is required");
    }

    /// Fails if there are errors.
    pub fn check(self) -> Result<(), Problem> {
        if self.0.is_empty() { Ok(()) } else { Err(self.into_problem()) }
    }

    /// Returns the problem of these errors.
    pub fn into_problem(self) -> Problem {
        Problem::new(ProblemCode::InvalidRequest, "Correct the fields in `errors` and send the request again.")
            .errors(self.0)
    }
}

/// Returns the error of a number that is not from 1 to `max`.
pub fn not_up_to(max: impl Display) -> Invalid {
    Invalid::new(format!("must be 1 to {max}"))
}

fn shortened(text: &str) -> String {
    text.chars().take(ECHO_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use crate::domain::shared::UserId;

    use super::*;

    #[test]
    fn the_first_error_of_a_field_counts() {
        let mut errors = FieldErrors::default();
        assert_eq!(errors.parse::<UserId>("user_id", Some("a b")), None);
        errors.missing("user_id");
        assert_eq!(errors.0.len(), 1);
        assert!(errors.0["user_id"].starts_with("must be"));
    }

    #[test]
    fn long_echoes_are_cut() {
        let mut errors = FieldErrors::default();
        errors.add(&"x".repeat(1_000), "is unknown");
        assert_eq!(errors.0.keys().next().unwrap().len(), ECHO_CHARS_MAX);
    }
}
