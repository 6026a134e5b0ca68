//! The query of a request.

use std::borrow::Cow;
use std::str::FromStr;

use crate::domain::shared::Invalid;

use super::field_errors::FieldErrors;
use super::problem::Problem;

/// Returns the values of these parameters, in this order. Each may be given once; other parameters are an error.
pub fn read<'a, const N: usize>(
    query: Option<&'a str>,
    names: [&'static str; N],
) -> Result<[Option<Cow<'a, str>>; N], Problem> {
    let mut values = [const { None }; N];
    let mut errors = FieldErrors::default();
    // Bytes that are no UTF-8 become a character that no parameter allows.
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match names.iter().position(|known| *known == name) {
            None => errors.add(&name, "is not a parameter of this request"),
            Some(place) if values[place].is_some() => errors.add(&name, "is given twice"),
            Some(place) => values[place] = Some(value),
        }
    }
    errors.check().map(|()| values)
}

/// Parses a number of digits only; `None` for any other text.
pub fn number<N: FromStr>(text: &str) -> Option<N> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// Parses `true` or `false`.
pub fn flag(text: &str) -> Result<bool, Invalid> {
    text.parse().map_err(|_| Invalid::new("must be true or false"))
}

#[cfg(test)]
mod tests {
    use crate::domain::shared::UserId;

    use super::*;

    #[test]
    fn parameters_come_in_any_order_and_encoded() {
        let [user, id] = read(Some("id=42&user_id=a%40b%2Bc"), ["user_id", "id"]).unwrap();
        assert_eq!((user.as_deref(), id.as_deref()), (Some("a@b+c"), Some("42")));
        assert_eq!(read(None, ["id"]).unwrap(), [None]);
        assert_eq!(read(Some(""), ["id"]).unwrap(), [None]);
        assert_eq!(read(Some("id="), ["id"]).unwrap(), [Some("".into())]);
        let [] = read(None, []).unwrap();
    }

    #[test]
    fn unknown_and_repeated_parameters_are_refused() {
        for query in ["price=1", "id=1&id=1", "id=1&ID=2", "id=1&x", "%ff=1"] {
            assert!(read(Some(query), ["id"]).is_err(), "{query}");
        }
    }

    #[test]
    fn a_value_that_is_not_utf_8_is_invalid() {
        let [user] = read(Some("user_id=%ff%fe"), ["user_id"]).unwrap();
        assert!(user.unwrap().parse::<UserId>().is_err());
    }

    #[test]
    fn a_number_is_digits() {
        for (text, expected) in [("0", Some(0)), ("10", Some(10)), ("07", Some(7))] {
            assert_eq!(number::<u32>(text), expected, "{text:?}");
        }
        for text in ["", "-1", "+1", "1.0", "1e1", " 1", "abc", "4294967297", "٣"] {
            assert_eq!(number::<u32>(text), None, "{text:?}");
        }
    }
}
