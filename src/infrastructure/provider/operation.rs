//! The operations that change something.

use hyper::body::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::answer::Answer;

/// Largest amount, in minor units. Sums of millions of such charges still fit into 64 bits.
const AMOUNT_MAX: i64 = 1_000_000_000_000;

/// Most characters of the id of an order.
const ORDER_ID_CHARS_MAX: usize = 128;

/// A request that changes something. Its JSON is the same for all requests of the same meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    Create(NewIntent),
    Confirm { intent: String, payment_method: PaymentMethod },
    Cancel { intent: String },
    Refund { intent: String },
}

/// The body of `POST /payment_intents`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewIntent {
    pub amount: i64,
    pub currency: String,
    pub order_id: String,
}

/// A payment method, which stands for a behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PaymentMethod {
    /// Charges.
    #[serde(rename = "pm_ok")]
    Ok,
    #[serde(rename = "pm_declined")]
    Declined,
    /// Charges, and never answers.
    #[serde(rename = "pm_timeout_charged")]
    TimeoutCharged,
    /// Charges after two seconds.
    #[serde(rename = "pm_slow")]
    Slow,
    /// Charges, but fails about every second time, before or after the charge.
    #[serde(rename = "pm_flaky")]
    Flaky,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirmation {
    payment_method: PaymentMethod,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRefund {
    payment_intent: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl Operation {
    /// Reads the body of `POST /payment_intents`.
    pub fn create(body: &Bytes) -> Result<Self, Answer> {
        let new: NewIntent = json(body)?;
        if !(1..=AMOUNT_MAX).contains(&new.amount) {
            return Err(Answer::invalid(&format!("amount must be 1 to {AMOUNT_MAX} minor units")));
        }
        if new.currency.len() != 3 || !new.currency.bytes().all(|letter| letter.is_ascii_uppercase()) {
            return Err(Answer::invalid("currency must be a code of ISO 4217, such as EUR"));
        }
        if new.order_id.is_empty()
            || new.order_id.chars().count() > ORDER_ID_CHARS_MAX
            || new.order_id.chars().any(char::is_control)
        {
            return Err(Answer::invalid(&format!("order_id must have 1 to {ORDER_ID_CHARS_MAX} printable characters")));
        }
        Ok(Operation::Create(new))
    }

    /// Reads the body of `POST /payment_intents/{id}/confirm`.
    pub fn confirm(intent: &str, body: &Bytes) -> Result<Self, Answer> {
        let Confirmation { payment_method } = json(body)?;
        Ok(Operation::Confirm { intent: intent.to_owned(), payment_method })
    }

    /// Reads the body of `POST /payment_intents/{id}/cancel`, which may be empty.
    pub fn cancel(intent: &str, body: &Bytes) -> Result<Self, Answer> {
        if !body.is_empty() {
            let Nothing {} = json(body)?;
        }
        Ok(Operation::Cancel { intent: intent.to_owned() })
    }

    /// Reads the body of `POST /refunds`.
    pub fn refund(body: &Bytes) -> Result<Self, Answer> {
        let NewRefund { payment_intent } = json(body)?;
        Ok(Operation::Refund { intent: payment_intent })
    }
}

fn json<T: DeserializeOwned>(body: &Bytes) -> Result<T, Answer> {
    serde_json::from_slice(body).map_err(|error| Answer::invalid(&format!("body: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(body: &str) -> Result<Operation, Answer> {
        Operation::create(&Bytes::copy_from_slice(body.as_bytes()))
    }

    #[test]
    fn requests_of_the_same_meaning_are_the_same_operation() {
        let text = |body| serde_json::to_string(&create(body).unwrap()).unwrap();
        let plain = text(r#"{"amount":1,"currency":"EUR","order_id":"o"}"#);
        assert_eq!(text(r#"{ "order_id": "\u006f", "currency": "EUR", "amount": 1 }"#), plain);
        assert_ne!(text(r#"{"amount":2,"currency":"EUR","order_id":"o"}"#), plain);
    }

    #[test]
    fn an_intent_has_a_positive_amount_a_currency_and_an_order() {
        for (amount, currency, order_id) in [
            ("0", "EUR", "o"),
            ("-1", "EUR", "o"),
            ("1.5", "EUR", "o"),
            ("\"1\"", "EUR", "o"),
            ("1000000000001", "EUR", "o"),
            ("1", "eur", "o"),
            ("1", "EURO", "o"),
            ("1", "EUR", ""),
            ("1", "EUR", "a\\u0000"),
        ] {
            let body = format!(r#"{{"amount":{amount},"currency":"{currency}","order_id":"{order_id}"}}"#);
            assert_eq!(create(&body).unwrap_err().status, 400, "{body}");
        }
        assert!(create(&format!(r#"{{"amount":1,"currency":"EUR","order_id":"{}"}}"#, "o".repeat(129))).is_err());
        assert!(create(r#"{"amount":1,"currency":"EUR","order_id":"o","tip":1}"#).is_err());
        assert!(create(r#"{"amount":1000000000000,"currency":"EUR","order_id":"ü"}"#).is_ok());
    }

    #[test]
    fn an_unknown_payment_method_is_an_error() {
        let confirm = |method: &str| {
            let body = format!(r#"{{"payment_method":"{method}"}}"#);
            Operation::confirm("pi_1", &Bytes::from(body))
        };
        assert!(confirm("pm_ok").is_ok());
        assert_eq!(confirm("pm_gold").unwrap_err().status, 400);
    }

    #[test]
    fn a_cancel_needs_no_body() {
        assert_eq!(Operation::cancel("pi_1", &Bytes::new()), Operation::cancel("pi_1", &Bytes::from("{}")));
        assert!(Operation::cancel("pi_1", &Bytes::from(r#"{"reason":"x"}"#)).is_err());
    }
}
