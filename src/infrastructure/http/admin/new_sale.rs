//! The JSON of a sale to create.

use chrono::{DateTime, Timelike, Utc};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::{Array, Object as ObjectSchema};

use crate::application::sale::create_sale::{NewSale, Offer};
use crate::domain::sale::{Item, PaymentWindow};
use crate::domain::shared::limits::{
    IMAGE_URL_CHARS_MAX, ITEM_STOCK_MAX, NAME_CHARS_MAX, PAYMENT_WINDOW_SECONDS_MAX, SALE_ITEMS_MAX, SALE_UNITS_MAX,
    USER_UNITS_MAX,
};
use crate::domain::shared::{Currency, Invalid, Money};
use crate::infrastructure::http::platform::field_errors::not_up_to;
use crate::infrastructure::http::platform::json::Object;
use crate::infrastructure::http::platform::openapi::schema;
use crate::infrastructure::http::platform::{FieldErrors, Problem, json};

/// A sale to create, with generated items (`total_items`) or with the listed ones (`items`).
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSale)]
pub struct NewSaleBody {
    /// The start; by default now.
    #[serde(default, deserialize_with = "time")]
    #[schema(nullable = false)]
    started_at: Option<DateTime<Utc>>,
    /// The end; by default one period after the start.
    #[serde(default, deserialize_with = "time")]
    #[schema(nullable = false)]
    ended_at: Option<DateTime<Utc>>,
    /// The number of items to generate, in place of `items`.
    #[serde(default, deserialize_with = "number")]
    #[schema(schema_with = items_count_schema, required = false)]
    total_items: Option<u32>,
    /// The items, all with the same currency.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(schema_with = items_schema, required = false)]
    items: Option<Vec<Object<NewItemBody>>>,
    #[serde(default, deserialize_with = "number")]
    #[schema(schema_with = user_limit_schema, required = false)]
    per_user_limit: Option<u32>,
    /// Time in which a purchase must be paid; by default it need not be.
    #[serde(default, deserialize_with = "number")]
    #[schema(schema_with = payment_window_schema, required = false)]
    payment_window_seconds: Option<u32>,
    /// `true` if only users whose place in the waiting room was called may buy.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(nullable = false, default = false)]
    waiting_room: Option<bool>,
}

/// An item to sell.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewItem)]
pub struct NewItemBody {
    #[schema(schema_with = name_schema)]
    name: String,
    #[schema(schema_with = image_url_schema)]
    image_url: String,
    #[serde(deserialize_with = "json::text")]
    #[schema(value_type = String, pattern = "^[0-9]{1,12}([.][0-9]{1,2})?$")]
    price: Money,
    #[serde(default = "euro")]
    #[schema(default = "EUR")]
    currency: Currency,
    #[serde(default = "one_of_a_kind", deserialize_with = "number")]
    #[schema(schema_with = stock_schema, required = false)]
    stock: u32,
}

fn items_count_schema() -> ObjectSchema {
    schema::up_to(SALE_ITEMS_MAX)
}

fn items_schema() -> Array {
    schema::list_of::<NewItemBody>().max_items(Some(SALE_ITEMS_MAX as usize)).build()
}

fn user_limit_schema() -> ObjectSchema {
    schema::up_to(USER_UNITS_MAX)
}

fn payment_window_schema() -> ObjectSchema {
    schema::up_to(PAYMENT_WINDOW_SECONDS_MAX)
}

fn name_schema() -> ObjectSchema {
    schema::text_of(1, NAME_CHARS_MAX).build()
}

fn image_url_schema() -> ObjectSchema {
    schema::text_of(1, IMAGE_URL_CHARS_MAX).pattern(Some(r"^(https?://[!-~]*|/([!-.0-\[\]-~][!-~]*)?)$")).build()
}

fn stock_schema() -> ObjectSchema {
    schema::positive().maximum(Some(ITEM_STOCK_MAX)).default(Some(one_of_a_kind().into())).build()
}

fn euro() -> Currency {
    Currency::EUR
}

fn one_of_a_kind() -> u32 {
    1
}

/// Reads a number of 1 or more. What is none counts as 0, so that it has the error of its field, with the real range.
fn number<'de, T: From<u32>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let number = Value::deserialize(deserializer)?.as_u64();
    Ok(number.and_then(|number| u32::try_from(number).ok()).unwrap_or_default().into())
}

/// The nanoseconds from which on chrono means a leap second.
const LEAP_SECOND: u32 = 1_000_000_000;

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let text = String::deserialize(deserializer)?;
    match DateTime::parse_from_rfc3339(&text) {
        Ok(time) if time.nanosecond() < LEAP_SECOND => Ok(Some(time.to_utc())),
        Ok(_) => Err(D::Error::custom("must not be a leap second: its seconds are 00 to 59")),
        Err(_) => Err(D::Error::custom("must be a time such as 2026-11-20T09:00:00Z")),
    }
}

impl NewSaleBody {
    /// Returns the sale to create, or the problem with all errors of the description.
    pub fn into_new_sale(self) -> Result<NewSale, Problem> {
        let mut errors = FieldErrors::default();
        if let (Some(start), Some(end)) = (self.started_at, self.ended_at)
            && end <= start
        {
            errors.add("ended_at", "must be after started_at");
        }
        if let Some(limit) = self.per_user_limit {
            errors.take("per_user_limit", up_to(USER_UNITS_MAX, limit));
        }
        let payment_window = self
            .payment_window_seconds
            .and_then(|seconds| errors.take("payment_window_seconds", PaymentWindow::try_from(seconds)));
        let offer = match (self.total_items, self.items) {
            (Some(items), None) => errors.take("total_items", up_to(SALE_ITEMS_MAX, items)).map(Offer::Generated),
            (None, Some(lines)) => listed(&mut errors, lines),
            (Some(_), Some(_)) => {
                errors.add("total_items", "is given together with items: send one of them");
                None
            }
            (None, None) => {
                errors.add("total_items", "is required without items");
                None
            }
        };
        let Some(offer) = offer else { return Err(errors.into_problem()) };
        errors.check()?;
        let (starts_at, ends_at, user_limit) = (self.started_at, self.ended_at, self.per_user_limit);
        let waiting_room = self.waiting_room.unwrap_or(false);
        Ok(NewSale { starts_at, ends_at, offer, user_limit, payment_window, waiting_room })
    }
}

fn up_to(max: u32, number: u32) -> Result<u32, Invalid> {
    if (1..=max).contains(&number) { Ok(number) } else { Err(not_up_to(max)) }
}

fn listed(errors: &mut FieldErrors, lines: Vec<Object<NewItemBody>>) -> Option<Offer> {
    let Some(Object(first)) = lines.first() else {
        errors.add("items", "must have at least one item");
        return None;
    };
    let currency = first.currency;
    if lines.iter().map(|Object(line)| u64::from(line.stock)).sum::<u64>() > u64::from(SALE_UNITS_MAX) {
        errors.add("items", &format!("must have at most {SALE_UNITS_MAX} units together"));
    }
    let mut items = Vec::with_capacity(lines.len());
    for (place, Object(line)) in lines.into_iter().enumerate() {
        if line.currency != currency {
            errors.add(&format!("items[{place}].currency"), "must be the same for all items");
        }
        errors.take(&format!("items[{place}].price"), line.currency.check(line.price));
        match Item::new(line.name, line.image_url, line.price, line.stock) {
            Ok(item) => items.push(item),
            // The message of an item begins with the field.
            Err(error) => {
                let (field, message) = error.message().split_once(' ').unwrap_or(("", error.message()));
                errors.add(&format!("items[{place}].{field}"), message);
            }
        }
    }
    Some(Offer::Listed(currency, items))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn new_sale(body: &str) -> Result<NewSale, Problem> {
        json::read::<NewSaleBody>(body.as_bytes())?.into_new_sale()
    }

    async fn errors(body: &str) -> Value {
        let answer = new_sale(body).expect_err(body).into_answer();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice::<Value>(&bytes).unwrap()["errors"].take()
    }

    #[test]
    fn a_sale_has_generated_or_listed_items() {
        let generated = new_sale(r#"{"total_items":100}"#).unwrap();
        assert!(matches!(generated.offer, Offer::Generated(100)));
        assert_eq!((generated.starts_at, generated.user_limit), (None, None));
        let body = r#"{"started_at":"2026-11-20T10:00:00+01:00","ended_at":"2026-11-20T10:00:00Z","per_user_limit":2,
            "items":[{"name":"Lamp","image_url":"/1.jpg","price":"19.90","currency":"USD","stock":3}]}"#;
        let listed = new_sale(body).unwrap();
        assert_eq!(listed.starts_at.unwrap().to_rfc3339(), "2026-11-20T09:00:00+00:00");
        let Offer::Listed(currency, items) = listed.offer else { panic!("{:?}", listed.offer) };
        assert_eq!((currency.as_str(), items[0].stock(), items[0].price().to_string()), ("USD", 3, "19.90".into()));
    }

    #[tokio::test]
    async fn every_wrong_number_has_the_error_with_its_range() {
        for wrong in ["0", "-1", "1.5", "4294967296", "1e99", "null", "true", "\"1\"", "[]", "{}"] {
            let body =
                format!(r#"{{"total_items":{wrong},"per_user_limit":{wrong},"payment_window_seconds":{wrong}}}"#);
            let errors = errors(&body).await;
            assert_eq!(errors["total_items"], "must be 1 to 1000000", "{wrong}");
            assert_eq!(errors["per_user_limit"], "must be 1 to 100", "{wrong}");
            assert_eq!(errors["payment_window_seconds"], "must be a number of seconds from 1 to 86400", "{wrong}");
        }
    }

    #[tokio::test]
    async fn every_wrong_field_is_named() {
        let line = |more: &str| format!(r#"{{"items":[{{"name":"a","image_url":"/a","price":"1",{more}}}]}}"#);
        for (body, field) in [
            ("{}", "total_items"),
            (r#"{"total_items":0}"#, "total_items"),
            (r#"{"total_items":1000001}"#, "total_items"),
            (r#"{"total_items":1,"items":[]}"#, "total_items"),
            (r#"{"items":[]}"#, "items"),
            (r#"{"total_items":1,"per_user_limit":0}"#, "per_user_limit"),
            (r#"{"total_items":1,"per_user_limit":101}"#, "per_user_limit"),
            (r#"{"total_items":1,"payment_window_seconds":0}"#, "payment_window_seconds"),
            (r#"{"total_items":1,"payment_window_seconds":86401}"#, "payment_window_seconds"),
            (r#"{"total_items":1,"started_at":"tomorrow"}"#, "started_at"),
            (r#"{"total_items":1,"started_at":"2026-12-31T23:59:60Z"}"#, "started_at"),
            (r#"{"total_items":1,"started_at":"2026-11-20T10:00:00Z","ended_at":"2026-11-20T10:00:00Z"}"#, "ended_at"),
            (r#"{"total_items":1,"id":"x"}"#, "id"),
            (&line(r#""stock":0"#), "items[0].stock"),
            (&line(r#""stock":"1""#), "items[0].stock"),
            (&line(r#""currency":"eur""#), "items[0].currency"),
            (r#"{"items":[{"name":"","image_url":"/a","price":"1"}]}"#, "items[0].name"),
            (r#"{"items":[{"name":"a","image_url":"a","price":"1"}]}"#, "items[0].image_url"),
            (r#"{"items":[{"name":"a","image_url":"//host/a","price":"1"}]}"#, "items[0].image_url"),
            (r#"{"items":[{"name":"a","image_url":"/a","price":"-1"}]}"#, "items[0].price"),
            (r#"{"items":[{"name":"a","image_url":"/a","price":1}]}"#, "items[0].price"),
            (r#"{"items":[{"name":"a","image_url":"/a","price":"9.90","currency":"JPY"}]}"#, "items[0].price"),
        ] {
            let errors = errors(body).await;
            assert!(errors.get(field).is_some(), "{body}: {errors}");
        }
        let mixed = r#"{"items":[{"name":"a","image_url":"/a","price":"1","currency":"USD"},
            {"name":"","image_url":"/a","price":"1"}]}"#;
        let errors = errors(mixed).await;
        assert!(errors["items[1].name"].is_string() && errors["items[1].currency"].is_string(), "{errors}");
    }
}
