//! JSON bodies.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::domain::shared::Invalid;

use super::field_errors::FieldErrors;
use super::problem::Problem;

/// Reads the JSON object of a body.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    // Tracking the path of each field is slower, so it is done only after an error.
    serde_json::from_slice(body).map(|Object(value)| value).map_err(|_| explain::<T>(body))
}

fn explain<T: DeserializeOwned>(body: &[u8]) -> Problem {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let error = match serde_path_to_error::deserialize::<_, Object<T>>(&mut deserializer) {
        Ok(_) => return FieldErrors::one("body", "must be one JSON object with nothing after it"),
        Err(error) => error,
    };
    let message = error.inner().to_string();
    if !error.inner().is_data() {
        return FieldErrors::one("body", &format!("must be JSON: {message}"));
    }
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
    let path = error.path().to_string();
    // For these two, serde reports the path of the object, not of the field.
    let in_object = |start: &str| message.strip_prefix(start)?.split_once('`').map(|(field, _)| below(&path, field));
    if let Some(field) = in_object("missing field `") {
        return FieldErrors::one(&field, "is required");
    }
    if let Some(field) = in_object("duplicate field `") {
        return FieldErrors::one(&field, "is given twice");
    }
    // Serde repeats a value of the wrong type, which may be a secret.
    let expected = message.strip_prefix("invalid ").and_then(|message| message.rsplit_once(", expected "));
    let message = expected.map_or(message.to_owned(), |(_, expected)| format!("must be {}", in_words(expected)));
    FieldErrors::one(if path == NO_PATH { "body" } else { &path }, &message)
}

/// Returns what serde expects in words for somebody who does not know Rust.
fn in_words(expected: &str) -> String {
    match expected {
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "a Decimal type representing a fixed-point number" => "a decimal number such as \"19.90\"".to_owned(),
        "a sequence" => "a JSON array".to_owned(),
        _ if expected.starts_with("struct ") => "a JSON object".to_owned(),
        _ => expected.to_owned(),
    }
}

/// The path of the body itself in errors of serde.
const NO_PATH: &str = ".";

fn below(path: &str, field: &str) -> String {
    if path == NO_PATH { field.to_owned() } else { format!("{path}.{field}") }
}

/// A struct that is written as a JSON object. Serde alone would accept an array, too.
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Only<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Only<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(Only(PhantomData))
    }
}

/// Reads a field that may be missing, but not `null`.
pub fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Reads a value that is written as text.
pub fn text<'de, T: FromStr<Err = Invalid>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use serde_json::Value;

    use crate::domain::sale::{ItemRef, Quantity};
    use crate::domain::shared::Money;

    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[serde(default, deserialize_with = "given")]
        partial: Option<bool>,
        items: Vec<Object<Inner>>,
        #[serde(default, rename = "price", deserialize_with = "given")]
        _price: Option<Money>,
        #[serde(default, rename = "inner", deserialize_with = "given")]
        _inner: Option<Inner>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[serde(deserialize_with = "text")]
        id: ItemRef,
        quantity: Quantity,
    }

    async fn errors(body: &str) -> Value {
        let answer = read::<Outer>(body.as_bytes()).err().expect(body).into_answer();
        assert_eq!(answer.status(), 400);
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice::<Value>(&bytes).unwrap()["errors"].take()
    }

    #[test]
    fn a_good_body_is_read() {
        let outer: Outer = read(br#"{"partial":true,"items":[{"id":"42","quantity":3}]}"#).ok().unwrap();
        assert_eq!((outer.partial, outer.items[0].0.quantity.get()), (Some(true), 3));
        assert!(matches!(outer.items[0].0.id, ItemRef::InCurrentSale(_)));
    }

    #[tokio::test]
    async fn the_error_names_the_field() {
        for (body, field) in [
            (r#"{"items":[],"tip":"1"}"#, "tip"),
            (r#"{"partial":null,"items":[]}"#, "partial"),
            (r#"{"partial":"yes","items":[]}"#, "partial"),
            (r#"{}"#, "items"),
            (r#"{"items":{}}"#, "items"),
            (r#"{"items":[],"items":[]}"#, "items"),
            (r#"{"items":[{"id":"1","quantity":1},{"id":"2"}]}"#, "items[1].quantity"),
            (r#"{"items":[{"id":"1","quantity":0}]}"#, "items[0].quantity"),
            (r#"{"items":[{"id":"1","quantity":-1}]}"#, "items[0].quantity"),
            (r#"{"items":[{"id":"1","quantity":1.5}]}"#, "items[0].quantity"),
            (r#"{"items":[{"id":"1","quantity":99999999999999999999}]}"#, "items[0].quantity"),
            (r#"{"items":[{"id":"x y","quantity":1}]}"#, "items[0].id"),
            (r#"{"items":[{"id":7,"quantity":1}]}"#, "items[0].id"),
            (r#"{"items":[{"id":"1","quantity":1,"price":"0.01"}]}"#, "items[0].price"),
            (r#"{"items":[["1",1]]}"#, "items[0]"),
            (r#"[true,[]]"#, "body"),
            (r#"{"items":[]} x"#, "body"),
            (r#"{"items":["#, "body"),
            ("", "body"),
            ("\u{feff}{}", "body"),
            ("null", "body"),
        ] {
            let errors = errors(body).await;
            assert!(errors.get(field).is_some(), "{body}: {errors}");
        }
    }

    #[tokio::test]
    async fn the_error_says_what_is_expected() {
        assert_eq!(errors(r#"{"items":[{"id":"1","quantity":11}]}"#).await["items[0].quantity"], "must be 1 to 10");
        assert_eq!(errors(r#"{"items":[{"id":"1"}]}"#).await["items[0].quantity"], "is required");
        assert_eq!(errors(r#"{"partial":"s3cret","items":[]}"#).await["partial"], "must be a boolean");
        assert_eq!(errors("[]").await["body"], "must be a JSON object");
        assert_eq!(errors(r#"{"items":7}"#).await["items"], "must be a JSON array");
    }

    #[tokio::test]
    async fn no_error_names_a_type_of_rust() {
        let number = "must be a whole number from 0 to 4294967295";
        for wrong in ["-1", "1.5", "1e99", "99999999999999999999", "\"1\"", "true", "[]"] {
            let errors = errors(&format!(r#"{{"items":[{{"id":"1","quantity":{wrong}}}]}}"#)).await;
            assert_eq!(errors["items[0].quantity"], number, "{wrong}");
        }
        let errors = errors(r#"{"items":[],"price":true}"#).await;
        assert_eq!(errors["price"], "must be a decimal number such as \"19.90\"");
        let errors = super::tests::errors(r#"{"items":[],"inner":7}"#).await;
        assert_eq!(errors["inner"], "must be a JSON object");
    }
}
