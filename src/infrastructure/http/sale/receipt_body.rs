//! The JSON of a receipt. One place writes these bytes, so a repeated request gets the same bytes.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::ordering::OrderStatus;
use crate::domain::sale::{Receipt, ReceiptLine};
use crate::domain::shared::{CheckoutCode, Currency, ItemId, Money, OrderId, SaleId, UserId};
use crate::infrastructure::http::platform::timestamp::{as_milliseconds, as_milliseconds_if_set};

/// A receipt.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Receipt)]
pub struct ReceiptBody {
    order_id: OrderId,
    /// The checkout code. Absent in lists of purchases, because it is a secret of the owner, unless a token names the
    /// user.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    code: Option<CheckoutCode>,
    sale_id: SaleId,
    user_id: UserId,
    purchased_items: Vec<PurchasedItem>,
    /// Units bought.
    total_purchased: u32,
    /// Units that a partial purchase did not get.
    failed_count: u32,
    total: Money,
    currency: Currency,
    #[serde(serialize_with = "as_milliseconds")]
    purchased_at: DateTime<Utc>,
    /// The time by which the order must be paid, in a sale with a payment window.
    #[serde(serialize_with = "as_milliseconds_if_set", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pay_by: Option<DateTime<Utc>>,
    /// The present status of the order, in a sale with a payment window. Only in lists: elsewhere the same bytes are
    /// returned each time, and the header `Order-Status` tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    order_status: Option<OrderStatus>,
}

/// Units of one item on a receipt.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct PurchasedItem {
    id: ItemId,
    name: String,
    price: Money,
    quantity: u32,
    /// `false` for units that a partial purchase did not get.
    sold: bool,
}

impl From<Receipt> for ReceiptBody {
    fn from(receipt: Receipt) -> Self {
        let line = |line: ReceiptLine| {
            let ReceiptLine { id, name, price, quantity, sold } = line;
            PurchasedItem { id, name, price, quantity, sold }
        };
        ReceiptBody {
            order_id: receipt.order_id,
            code: Some(receipt.code),
            sale_id: receipt.sale_id,
            user_id: receipt.user_id,
            purchased_items: receipt.lines.into_iter().map(line).collect(),
            total_purchased: receipt.units,
            failed_count: receipt.missed_units,
            total: receipt.total,
            currency: receipt.currency,
            purchased_at: receipt.purchased_at,
            pay_by: receipt.pay_by,
            order_status: None,
        }
    }
}

impl ReceiptBody {
    /// The receipt in a list of purchases, with the status of its order.
    pub fn listed(receipt: Receipt, order_status: Option<OrderStatus>) -> Self {
        ReceiptBody { order_status, ..receipt.into() }
    }

    /// The same for somebody who may not be its user.
    pub fn without_code(self) -> Self {
        ReceiptBody { code: None, ..self }
    }
}

/// The answer to a purchase.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Purchase)]
pub struct PurchaseBody {
    success: bool,
    /// Present for a purchase without a cart.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    message: Option<&'static str>,
    #[serde(flatten)]
    receipt: ReceiptBody,
}

impl PurchaseBody {
    /// The answer to the purchase of a cart.
    pub fn of_cart(receipt: Receipt) -> Self {
        PurchaseBody { success: true, message: None, receipt: receipt.into() }
    }

    /// The answer to a purchase without a cart.
    pub fn of_item(receipt: Receipt) -> Self {
        PurchaseBody { success: true, message: Some("order placed successfully"), receipt: receipt.into() }
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::sale::{CartLine, Catalog, Purchase, SoldUnit, Terms};
    use crate::domain::shared::LedgerId;

    use super::*;

    fn receipt() -> Receipt {
        let catalog = Catalog::generated(50).unwrap();
        let id: LedgerId = "1795168800123-0".parse().unwrap();
        let [ordinal, missed] = [42, 7].map(|number| number.try_into().unwrap());
        let purchase = Purchase {
            code: format!("20261120T09-{:032x}", 0xabc).parse().unwrap(),
            user: "u1".parse().unwrap(),
            request: None,
            units: vec![SoldUnit { ordinal, unit: 1, slot: 1 }],
            missed: vec![CartLine { ordinal: missed, quantity: 2.try_into().unwrap() }],
        };
        let terms = Terms { currency: catalog.currency(), payment_window: None };
        Receipt::new(terms, |ordinal| catalog.item(ordinal), id, &purchase).unwrap()
    }

    #[test]
    fn a_receipt_has_its_fields_in_the_order_of_the_contract() {
        let text = serde_json::to_string(&PurchaseBody::of_cart(receipt())).unwrap();
        let keys = [
            "success",
            "order_id",
            "code",
            "sale_id",
            "user_id",
            "purchased_items",
            "total_purchased",
            "failed_count",
            "total\"",
            "currency",
            "purchased_at",
        ];
        let places: Vec<_> = keys.iter().map(|key| text.find(&format!("\"{key}")).unwrap()).collect();
        assert!(places.is_sorted(), "{text}");
        assert!(text.ends_with(r#""currency":"EUR","purchased_at":"2026-11-20T10:00:00.123Z"}"#), "{text}");
        assert!(text.contains(r#""quantity":1,"sold":true},{"id":"20261120T09-00007""#), "{text}");
        assert!(text.contains(r#""quantity":2,"sold":false}],"total_purchased":1,"failed_count":2,"#), "{text}");
    }

    #[test]
    fn an_item_bought_without_a_cart_comes_with_a_message() {
        let text = serde_json::to_string(&PurchaseBody::of_item(receipt())).unwrap();
        assert!(text.starts_with(r#"{"success":true,"message":"order placed successfully","order_id":""#), "{text}");
    }
}
