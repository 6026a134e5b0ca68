//! A sale as an administrator describes it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, de::Error as _};
use utoipa::ToSchema;

use crate::application::sale::create_sale::{NewSale, Offer};
use crate::domain::sale::Item;
use crate::domain::shared::limits::{SALE_ITEMS_MAX, SALE_UNITS_MAX, USER_UNITS_MAX};
use crate::domain::shared::{Currency, Money};

use super::faults::FieldErrors;
use super::json::{self, Object};
use super::problem::Problem;

/// A sale to make, of so many made-up items or of these.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSale)]
pub struct Body {
    /// Now, where it is not said.
    #[serde(default, deserialize_with = "time")]
    #[schema(nullable = false)]
    started_at: Option<DateTime<Utc>>,
    /// One period after the start, where it is not said.
    #[serde(default, deserialize_with = "time")]
    #[schema(nullable = false)]
    ended_at: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "json::given")]
    #[schema(nullable = false, minimum = 1, maximum = 99999)]
    total_items: Option<u32>,
    /// In place of `total_items`; all in one currency.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(value_type = Vec<Line>, required = false, min_items = 1)]
    items: Option<Vec<Object<Line>>>,
    #[serde(default, deserialize_with = "json::given")]
    #[schema(nullable = false, minimum = 1, maximum = 100)]
    per_user_limit: Option<u32>,
}

/// An item to sell.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewItem)]
struct Line {
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    #[schema(max_length = 2000, pattern = "^(https://|http://|/)[!-~]*$")]
    image_url: String,
    #[serde(deserialize_with = "json::text")]
    #[schema(value_type = String, pattern = "^[0-9]{1,12}([.][0-9]{1,2})?$")]
    price: Money,
    #[serde(default = "euro")]
    #[schema(default = "EUR")]
    currency: Currency,
    #[serde(default = "one_of_a_kind")]
    #[schema(default = 1, minimum = 1, maximum = 100000)]
    stock: u32,
}

fn euro() -> Currency {
    Currency::EUR
}

fn one_of_a_kind() -> u32 {
    1
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let time = DateTime::parse_from_rfc3339(&text);
    time.map(|time| Some(time.to_utc())).map_err(|_| D::Error::custom("must be a time such as 2026-11-20T09:00:00Z"))
}

impl Body {
    /// What to make, or everything that is wrong with the description.
    pub fn into_new_sale(self) -> Result<NewSale, Problem> {
        let mut faults = FieldErrors::default();
        if let (Some(start), Some(end)) = (self.started_at, self.ended_at)
            && end <= start
        {
            faults.add("ended_at", "must be after started_at");
        }
        if self.per_user_limit.is_some_and(|limit| !(1..=USER_UNITS_MAX).contains(&limit)) {
            faults.add("per_user_limit", "must be 1 to 100");
        }
        let offer = match (self.total_items, self.items) {
            (Some(items), None) if (1..=SALE_ITEMS_MAX).contains(&items) => Some(Offer::Generated(items)),
            (Some(_), None) => {
                faults.add("total_items", "must be 1 to 99999");
                None
            }
            (None, Some(lines)) => listed(&mut faults, lines),
            (Some(_), Some(_)) => {
                faults.add("total_items", "is given with items: give one of them");
                None
            }
            (None, None) => {
                faults.add("total_items", "is required, or items");
                None
            }
        };
        let Some(offer) = offer else { return Err(faults.into_problem()) };
        faults.check()?;
        Ok(NewSale { starts_at: self.started_at, ends_at: self.ended_at, offer, user_limit: self.per_user_limit })
    }
}

fn listed(faults: &mut FieldErrors, lines: Vec<Object<Line>>) -> Option<Offer> {
    let Some(Object(first)) = lines.first() else {
        faults.add("items", "must be at least one item");
        return None;
    };
    let currency = first.currency;
    if lines.iter().map(|Object(line)| u64::from(line.stock)).sum::<u64>() > u64::from(SALE_UNITS_MAX) {
        faults.add("items", "must have at most 1000000 units together");
    }
    let mut items = Vec::with_capacity(lines.len());
    for (place, Object(line)) in lines.into_iter().enumerate() {
        if line.currency != currency {
            faults.add(&format!("items[{place}].currency"), "must be the same for all items");
        }
        match Item::new(line.name, line.image_url, line.price, line.stock) {
            Ok(item) => items.push(item),
            // The message of an item begins with the field.
            Err(invalid) => {
                let (field, message) = invalid.message().split_once(' ').unwrap_or(("", invalid.message()));
                faults.add(&format!("items[{place}].{field}"), message);
            }
        }
    }
    Some(Offer::Listed(currency, items))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use serde_json::Value;

    use super::*;

    fn new_sale(body: &str) -> Result<NewSale, Problem> {
        json::read::<Body>(body.as_bytes())?.into_new_sale()
    }

    async fn errors(body: &str) -> Value {
        let answer = new_sale(body).expect_err(body).into_answer();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice::<Value>(&bytes).unwrap()["errors"].take()
    }

    #[test]
    fn a_sale_is_made_up_or_listed() {
        let made_up = new_sale(r#"{"total_items":100}"#).unwrap();
        assert!(matches!(made_up.offer, Offer::Generated(100)));
        assert_eq!((made_up.starts_at, made_up.user_limit), (None, None));
        let body = r#"{"started_at":"2026-11-20T10:00:00+01:00","ended_at":"2026-11-20T10:00:00Z","per_user_limit":2,
            "items":[{"name":"Lamp","image_url":"/1.jpg","price":"19.90","currency":"USD","stock":3}]}"#;
        let listed = new_sale(body).unwrap();
        assert_eq!(listed.starts_at.unwrap().to_rfc3339(), "2026-11-20T09:00:00+00:00");
        let Offer::Listed(currency, items) = listed.offer else { panic!("{:?}", listed.offer) };
        assert_eq!((currency.as_str(), items[0].stock(), items[0].price().to_string()), ("USD", 3, "19.90".into()));
    }

    #[tokio::test]
    async fn every_wrong_field_is_named() {
        let line = |more: &str| format!(r#"{{"items":[{{"name":"a","image_url":"/a","price":"1",{more}}}]}}"#);
        for (body, field) in [
            ("{}", "total_items"),
            (r#"{"total_items":0}"#, "total_items"),
            (r#"{"total_items":100000}"#, "total_items"),
            (r#"{"total_items":1,"items":[]}"#, "total_items"),
            (r#"{"items":[]}"#, "items"),
            (r#"{"total_items":1,"per_user_limit":0}"#, "per_user_limit"),
            (r#"{"total_items":1,"per_user_limit":101}"#, "per_user_limit"),
            (r#"{"total_items":1,"started_at":"tomorrow"}"#, "started_at"),
            (r#"{"total_items":1,"started_at":"2026-11-20T10:00:00Z","ended_at":"2026-11-20T10:00:00Z"}"#, "ended_at"),
            (r#"{"total_items":1,"id":"x"}"#, "id"),
            (&line(r#""stock":0"#), "items[0].stock"),
            (&line(r#""stock":"1""#), "items[0].stock"),
            (&line(r#""currency":"eur""#), "items[0].currency"),
            (r#"{"items":[{"name":"","image_url":"/a","price":"1"}]}"#, "items[0].name"),
            (r#"{"items":[{"name":"a","image_url":"a","price":"1"}]}"#, "items[0].image_url"),
            (r#"{"items":[{"name":"a","image_url":"/a","price":"-1"}]}"#, "items[0].price"),
            (r#"{"items":[{"name":"a","image_url":"/a","price":1}]}"#, "items[0].price"),
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
