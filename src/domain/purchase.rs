//! The result of a purchase.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::{CartLine, CheckoutCode, Currency, Item, ItemId, LedgerId, Money, Ordinal, SaleId, Sold, UserId};

/// What the buyer gets. It follows from the ledger entry and the catalog alone, neither of which ever
/// changes, so that whoever makes it, from Redis or from PostgreSQL, makes the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Receipt {
    pub order_id: String,
    pub code: CheckoutCode,
    pub sale_id: SaleId,
    pub user_id: UserId,
    pub purchased_items: Vec<ReceiptLine>,
    /// Units bought.
    pub total_purchased: u32,
    /// Units wanted by a partial purchase that were gone.
    pub failed_count: u32,
    pub total: Money,
    pub currency: Currency,
    #[serde(serialize_with = "as_milliseconds")]
    pub purchased_at: DateTime<Utc>,
}

/// Units of one item on a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReceiptLine {
    pub id: ItemId,
    pub name: String,
    pub price: Money,
    pub quantity: u32,
    /// `false` for what a partial purchase did not get.
    pub sold: bool,
}

impl Receipt {
    /// The receipt of the purchase that the ledger holds under `id`, of a sale in this currency with these
    /// items.
    pub fn new<'a>(currency: Currency, item: impl Fn(Ordinal) -> Option<&'a Item>, id: LedgerId, sold: &Sold) -> Self {
        let sale = sold.code.sale;
        let bought = sold.lines();
        let line = |line: &CartLine, sold| {
            let item = item(line.ordinal)?;
            let id = ItemId { sale, ordinal: line.ordinal };
            Some(ReceiptLine { id, name: item.name().into(), price: item.price(), quantity: line.quantity.get(), sold })
        };
        let purchased: Vec<ReceiptLine> = bought.iter().filter_map(|bought| line(bought, true)).collect();
        let missed = sold.missed.iter().filter_map(|missed| line(missed, false));
        Receipt {
            order_id: format!("{sale}-{id}"),
            code: sold.code,
            sale_id: sale,
            user_id: sold.user.clone(),
            total: purchased.iter().map(|line| line.price.times(line.quantity)).sum(),
            purchased_items: purchased.into_iter().chain(missed).collect(),
            total_purchased: sold.units.len() as u32,
            failed_count: sold.missed.iter().map(|line| line.quantity.get()).sum(),
            currency,
            purchased_at: id.time(),
        }
    }
}

/// Times go out in UTC with three decimal places, always.
pub fn as_milliseconds<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
}
