//! The variable parts of a path.

use std::borrow::Cow;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use crate::domain::shared::Invalid;

use super::field_errors::FieldErrors;
use super::problem::Problem;

/// The variable parts of a path, by name.
#[derive(Debug, Clone, Default)]
pub struct PathParams(Vec<(&'static str, String)>);

impl PathParams {
    /// Parts with these names.
    pub fn new<'a>(names: &[&'static str], values: impl Iterator<Item = &'a str>) -> Self {
        PathParams(names.iter().copied().zip(values.map(str::to_owned)).collect())
    }

    /// Returns a part as it was sent.
    pub fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| text)
    }

    /// Decodes and parses a part.
    pub fn parse<T: FromStr<Err = Invalid>>(&self, name: &str) -> Result<T, Problem> {
        // A byte that is no UTF-8 becomes a character that no value allows.
        let decoded: Cow<'_, str> = percent_decode_str(self.text(name)).decode_utf8_lossy();
        decoded.parse().map_err(|error: Invalid| FieldErrors::one(name, error.message()))
    }
}
