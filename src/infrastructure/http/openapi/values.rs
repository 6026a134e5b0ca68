//! How the values of the domain look from outside.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::limits::CART_UNITS;
use crate::domain::{CheckoutCode, Currency, ItemId, ItemRef, Money, Quantity, RequestId, SaleId, UserId};

macro_rules! sale_id {
    () => {
        "[0-9]{8}T[0-9]{2}([0-9]{2}([0-9]{2})?)?(-[0-9a-f]{4})?"
    };
}

/// Values that are written as text: the type, its pattern, an example, and what it is.
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
        "Names a sale: its start in UTC, and a suffix where an administrator made it";
    ItemId: concat!("^", sale_id!(), "-[0-9]{5}$"), "20261120T09-00042",
        "Names an item for ever: its sale, and its number there";
    ItemRef: concat!("^((item_)?0*[1-9][0-9]{0,4}|", sale_id!(), "-[0-9]{5})$"), "42",
        "An item by its id, or by its number (`42`, `item_42`), which means that item of the hourly sale that is on";
    CheckoutCode: concat!("^", sale_id!(), "-[0-9a-f]{32}$"), "20261120T09-0f5bd2a3c4e697881f02b3d4c5e6a798",
        "Names a cart, and the purchase made of it. Whoever knows it may buy the cart and see its receipt";
    UserId: "^[A-Za-z0-9._:@+-]{1,128}$", "ann",
        "Who buys";
    RequestId: "^[!-~]{1,128}$", "order-2026-11-20-1",
        "What a caller names a request by; it means something only together with its user";
    Money: "^[0-9]{1,15}[.][0-9]{2}$", "19.90",
        "An amount with two decimal places";
    Currency: "^[A-Z]{3}$", "EUR",
        "An ISO 4217 code";
}

impl PartialSchema for Quantity {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(CART_UNITS));
        number.description(Some("Units of one item")).examples([1]).into()
    }
}

impl ToSchema for Quantity {}
