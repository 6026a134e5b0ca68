//! How a purchase is shown. One place makes these bytes, so that whoever asks again gets the same.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::Receipt;

/// What a buyer gets.
#[derive(Serialize, ToSchema)]
pub struct Bought<'a> {
    success: bool,
    /// Told where one item was bought without a cart.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    message: Option<&'static str>,
    #[serde(flatten)]
    receipt: &'a Receipt,
}

impl<'a> Bought<'a> {
    /// A cart that was bought.
    pub fn cart(receipt: &'a Receipt) -> Self {
        Bought { success: true, message: None, receipt }
    }

    /// One item that was bought without a cart.
    pub fn item(receipt: &'a Receipt) -> Self {
        Bought { success: true, message: Some("order placed successfully"), receipt }
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::{CartLine, Catalog, LedgerId, Sold, SoldUnit};

    use super::*;

    fn receipt() -> Receipt {
        let catalog = Catalog::generated(50).unwrap();
        let id: LedgerId = "1795168800123-0".parse().unwrap();
        let [ordinal, missed] = [42, 7].map(|number| number.try_into().unwrap());
        let sold = Sold {
            code: format!("20261120T09-{:032x}", 0xabc).parse().unwrap(),
            user: "u1".parse().unwrap(),
            request: None,
            units: vec![SoldUnit { ordinal, unit: 1, slot: 1 }],
            missed: vec![CartLine { ordinal: missed, quantity: 2.try_into().unwrap() }],
        };
        Receipt::new(catalog.currency(), |ordinal| catalog.item(ordinal), id, &sold)
    }

    #[test]
    fn a_receipt_has_its_fields_in_the_order_of_the_contract() {
        let text = serde_json::to_string(&Bought::cart(&receipt())).unwrap();
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
        let text = serde_json::to_string(&Bought::item(&receipt())).unwrap();
        assert!(text.starts_with(r#"{"success":true,"message":"order placed successfully","order_id":""#), "{text}");
    }
}
