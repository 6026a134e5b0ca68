//! The query of a request.

use std::borrow::Cow;

use super::faults::FieldErrors;
use super::problem::Problem;

/// The values of these parameters, in this order. Each may be given once, and no other.
pub fn read<'a, const N: usize>(
    query: Option<&'a str>,
    names: [&'static str; N],
) -> Result<[Option<Cow<'a, str>>; N], Problem> {
    let mut values = [const { None }; N];
    let mut faults = FieldErrors::default();
    // Bytes that are not UTF-8 come out as a character that no parameter allows.
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match names.iter().position(|known| *known == name) {
            None => faults.add(&name, "is not a parameter of this request"),
            Some(place) if values[place].is_some() => faults.add(&name, "is given twice"),
            Some(place) => values[place] = Some(value),
        }
    }
    faults.check().map(|()| values)
}

#[cfg(test)]
mod tests {
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
    fn what_is_not_utf_8_is_no_valid_value() {
        let [user] = read(Some("user_id=%ff%fe"), ["user_id"]).unwrap();
        assert!(user.unwrap().parse::<crate::domain::shared::UserId>().is_err());
    }
}
