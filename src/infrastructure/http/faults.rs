//! What is wrong with the fields of a request, all of it at once.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::domain::sale::Quantity;
use crate::domain::shared::Invalid;

use super::code::ProblemCode;
use super::problem::Problem;

/// Characters of a name or a message that came from the caller and goes back to him.
const ECHO_CHARS_MAX: usize = 200;

/// Field by field, what is wrong with it. The first fault of a field counts.
#[derive(Debug, Default)]
pub struct FieldErrors(BTreeMap<String, String>);

impl FieldErrors {
    /// One fault.
    pub fn one(field: &str, message: &str) -> Problem {
        let mut faults = FieldErrors::default();
        faults.add(field, message);
        faults.into_problem()
    }

    /// Notes a fault.
    pub fn add(&mut self, field: &str, message: &str) {
        self.0.entry(shortened(field)).or_insert_with(|| shortened(message));
    }

    /// The value that the text stands for. `None` where there is no text, or with a fault noted where it
    /// stands for none.
    pub fn parse<T: FromStr<Err = Invalid>>(&mut self, field: &str, text: Option<impl AsRef<str>>) -> Option<T> {
        text.and_then(|text| self.take(field, text.as_ref().parse()))
    }

    /// The value, or `None` with a fault noted.
    pub fn take<T>(&mut self, field: &str, value: Result<T, Invalid>) -> Option<T> {
        value.map_err(|invalid| self.add(field, invalid.message())).ok()
    }

    /// A field that may stand in the query or in the body, and not in both.
    pub fn either<T>(&mut self, field: &str, in_query: Option<T>, in_body: Option<T>) -> Option<T> {
        if in_query.is_some() && in_body.is_some() {
            self.add(field, "is given in the query and in the body: give it once");
        }
        in_query.or(in_body)
    }

    /// Notes that a field is missing, unless something else is wrong with it.
    pub fn missing(&mut self, field: &str) {
        self.add(field, "is required");
    }

    /// Nothing, or the problem.
    pub fn check(self) -> Result<(), Problem> {
        if self.0.is_empty() { Ok(()) } else { Err(self.into_problem()) }
    }

    /// The problem with these fields.
    pub fn into_problem(self) -> Problem {
        Problem::new(
            ProblemCode::InvalidRequest,
            "Correct what `errors` says of each field, and send the request again.",
        )
        .errors(self.0)
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(ECHO_CHARS_MAX).collect()
}

/// A number as it stands in a query: digits only.
pub fn number<N: FromStr>(text: &str, otherwise: &'static str) -> Result<N, Invalid> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or(Invalid::new(otherwise))
}

/// A quantity as it stands in a query.
pub fn quantity(text: &str) -> Result<Quantity, Invalid> {
    Quantity::try_from(number::<u32>(text, "must be 1 to 10")?)
}

/// `true` or `false`.
pub fn flag(text: &str) -> Result<bool, Invalid> {
    text.parse().map_err(|_| Invalid::new("must be true or false"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_is_one_to_ten_in_digits() {
        for (text, expected) in [("1", Some(1)), ("10", Some(10)), ("07", Some(7))] {
            assert_eq!(quantity(text).ok().map(Quantity::get), expected);
        }
        for text in ["", "0", "11", "-1", "+1", "1.0", "1e1", " 1", "abc", "4294967297", "٣"] {
            assert!(quantity(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_first_fault_of_a_field_counts() {
        let mut faults = FieldErrors::default();
        assert_eq!(faults.parse::<crate::domain::shared::UserId>("user_id", Some("a b")), None);
        faults.missing("user_id");
        assert_eq!(faults.0.len(), 1);
        assert!(faults.0["user_id"].starts_with("must be"));
    }
}
