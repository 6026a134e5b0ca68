//! Schemas of the values of the domain.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::ordering::Note;
use crate::domain::payment::{EventId, IntentId, PaymentMethod};
use crate::domain::sale::{ItemRef, Quantity};
use crate::domain::shared::limits::{CART_UNITS, ID_CHARS_MAX, NOTE_CHARS_MAX};
use crate::domain::shared::{CheckoutCode, Currency, ItemId, Money, OrderId, RequestId, SaleId, UserId};

use super::schema::{positive, text_of};

/// The pattern of a sale id: date, hour, minutes and seconds unless they are zero, and a suffix.
macro_rules! sale_id {
    () => {
        "[0-9]{4}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3])\
         (0[1-9]|[1-5][0-9]|[0-5][0-9](0[1-9]|[1-5][0-9]))?(-[0-9a-f]{4})?"
    };
}

/// The pattern of the ordinal in an item id: at least five digits.
macro_rules! ordinal {
    () => {
        "([0-9]{5}|[1-9][0-9]{5}|1000000)"
    };
}

/// Returns the pattern of a name that the payment provider gives.
fn provider_name() -> String {
    format!("^[A-Za-z0-9_.:-]{{1,{ID_CHARS_MAX}}}$")
}

/// Implements the schema of values that are written as text: type, pattern, example, description.
macro_rules! texts {
    ($($value:ty: $pattern:expr, $example:literal, $description:literal;)*) => {
        $(
            impl PartialSchema for $value {
                fn schema() -> RefOr<Schema> {
                    let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some($pattern));
                    text.description(Some($description)).examples([$example]).into()
                }
            }

            impl ToSchema for $value {}
        )*
    };
}

texts! {
    SaleId: concat!("^", sale_id!(), "$"), "20261120T09",
        "The id of a sale: its start in UTC, and a suffix if an administrator created it";
    ItemId: concat!("^", sale_id!(), "-", ordinal!(), "$"), "20261120T09-00042",
        "The id of an item: its sale, and its number there";
    ItemRef: concat!("^((item_)?0*([1-9][0-9]{0,5}|1000000)|", sale_id!(), "-", ordinal!(), ")$"), "42",
        "An item by its id, or by its number (`42`, `item_42`) in the current hourly sale";
    OrderId: concat!("^", sale_id!(), "-(0|[1-9][0-9]{0,12})-(0|[1-9][0-9]{0,6})$"), "20261120T09-1795168800123-0",
        "The id of a purchase: its sale and its ledger id";
    CheckoutCode: concat!("^", sale_id!(), "-[0-9a-f]{32}$"), "20261120T09-0f5bd2a3c4e697881f02b3d4c5e6a798",
        "The code of a cart and of its purchase. It is a secret: its owner may buy the cart and read the receipt";
    UserId: format!("^[A-Za-z0-9._:@+-]{{1,{ID_CHARS_MAX}}}$"), "ann",
        "The id of a user";
    RequestId: format!("^[!-~]{{1,{ID_CHARS_MAX}}}$"), "order-2026-11-20-1",
        "The id of a request, unique for its user and sale";
    PaymentMethod: provider_name(), "pm_ok",
        "A means of payment, as the payment provider names it for its owner";
    IntentId: provider_name(), "pi_7c41",
        "The name of an intent at the payment provider";
    EventId: provider_name(), "evt_0af3",
        "The name of an event of the payment provider";
    Money: "^[0-9]{1,15}[.][0-9]{2}$", "19.90",
        "An amount with two decimal places";
    Currency: "^[A-Z]{3}$", "EUR",
        "An ISO 4217 code";
}

impl PartialSchema for Quantity {
    fn schema() -> RefOr<Schema> {
        let number = positive().maximum(Some(CART_UNITS));
        number.description(Some("Units of one item")).examples([1]).into()
    }
}

impl ToSchema for Quantity {}

impl PartialSchema for Note {
    fn schema() -> RefOr<Schema> {
        let text = text_of(1, NOTE_CHARS_MAX).pattern(Some(r"^[^\u0000-\u001f\u007f-\u009f]*$"));
        text.description(Some("The words of a person, in one line")).examples(["changed my mind"]).into()
    }
}

impl ToSchema for Note {}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern_of<T: PartialSchema>() -> jsonschema::Validator {
        jsonschema::validator_for(&serde_json::to_value(T::schema()).unwrap()).unwrap()
    }

    /// Fails unless the pattern and the type accept the same of these texts.
    fn assert_same<T: PartialSchema + std::str::FromStr>(texts: &[&str]) {
        let pattern = pattern_of::<T>();
        for text in texts {
            assert_eq!(pattern.is_valid(&(*text).into()), text.parse::<T>().is_ok(), "{text:?}");
        }
    }

    #[test]
    fn patterns_allow_every_text_that_is_accepted() {
        let sales = ["20261120T09", "20261120T0930", "20261120T093002", "20261120T0930-7f3a", "20261120T090002"];
        assert_same::<SaleId>(&sales);
        assert_same::<SaleId>(&["20261120T0900", "20261320T09", "20261120T24", "20261120T093000", "20261120", "x", ""]);
        assert_same::<ItemId>(&["20261120T09-00042", "20261120T09-7f3a-00042", "20261120T09-42", "42", ""]);
        let ids = ["99999", "100000", "000042", "1000000", "0100000", "1000001"].map(|id| format!("20261120T09-{id}"));
        let ids = ids.each_ref().map(String::as_str);
        assert_same::<ItemId>(&ids);
        assert_same::<ItemRef>(&ids);
        assert_same::<ItemRef>(&[
            "42",
            "item_42",
            "0042",
            "1000000",
            "20261120T09-00042",
            "0",
            "1000001",
            "item_",
            "-1",
        ]);
        let code = format!("20261120T09-{:032x}", 7);
        assert_same::<CheckoutCode>(&[&code, &code.to_uppercase(), &code[..30], ""]);
        let orders = ["1795168800123-0", "0-1", "01-0", "1-00", "+1-0", "1"].map(|id| format!("20261120T09-{id}"));
        assert_same::<OrderId>(&orders.each_ref().map(String::as_str));
        assert_same::<UserId>(&["ann", "a.b_c:d@e+f-g", "a b", "é", "", &"x".repeat(128), &"x".repeat(129)]);
        assert_same::<RequestId>(&["r1", "!~", "a b", "é", "", &"x".repeat(128), &"x".repeat(129)]);
        let names = ["pm_ok", "a-b:c.d", "a b", "a/b", "ä", "", &"x".repeat(128), &"x".repeat(129)];
        assert_same::<PaymentMethod>(&names);
        assert_same::<IntentId>(&names);
        assert_same::<EventId>(&names);
        let (long, longer) = ("ü".repeat(NOTE_CHARS_MAX), "ü".repeat(NOTE_CHARS_MAX + 1));
        assert_same::<Note>(&[
            "x",
            "asked – by phone",
            &long,
            "",
            &longer,
            "a\nb",
            "\u{1b}[31m",
            "\0",
            "\u{7f}",
            "\u{85}",
        ]);
        assert_same::<Currency>(&["EUR", "eur", "EURO", ""]);
    }

    #[test]
    fn patterns_allow_every_text_that_is_written() {
        let written = |cents: u32| serde_json::to_value(Money::from_cents(cents)).unwrap();
        assert!([0, 5, 1_990, u32::MAX].into_iter().all(|cents| pattern_of::<Money>().is_valid(&written(cents))));
        assert!((1..=CART_UNITS).all(|units| pattern_of::<Quantity>().is_valid(&units.into())));
        assert!(!pattern_of::<Quantity>().is_valid(&0.into()) && !pattern_of::<Quantity>().is_valid(&11.into()));
    }
}
