//! The receipt: the result of a purchase for its buyer.

use chrono::{DateTime, Utc};

use crate::domain::shared::{CheckoutCode, Currency, ItemId, LedgerId, Money, OrderId, Ordinal, SaleId, UserId};

use super::catalog::UnknownItem;
use super::{CartLine, Item, PaymentWindow, Purchase};

/// The result of a purchase for its buyer. It follows from the ledger entry and the catalog alone, neither of which ever
/// changes, so a receipt made from Redis and one made from PostgreSQL are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    pub order_id: OrderId,
    pub code: CheckoutCode,
    pub sale_id: SaleId,
    pub user_id: UserId,
    /// The lines bought, then those that a partial purchase did not get.
    pub lines: Vec<ReceiptLine>,
    /// Units bought.
    pub units: u32,
    /// Units that a partial purchase did not get.
    pub missed_units: u32,
    pub total: Money,
    pub currency: Currency,
    pub purchased_at: DateTime<Utc>,
    /// The time by which the order must be paid, in a sale with a payment window.
    pub pay_by: Option<DateTime<Utc>>,
}

/// The terms of a sale that its receipts show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    pub currency: Currency,
    pub payment_window: Option<PaymentWindow>,
}

/// Units of one item on a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptLine {
    pub id: ItemId,
    pub name: String,
    pub price: Money,
    pub quantity: u32,
    /// `false` for units that a partial purchase did not get.
    pub sold: bool,
}

impl Receipt {
    /// The receipt of the purchase with this ledger id, in a sale with these terms and items.
    pub fn new<'a>(
        terms: Terms,
        item: impl Fn(Ordinal) -> Option<&'a Item>,
        id: LedgerId,
        purchase: &Purchase,
    ) -> Result<Self, UnknownItem> {
        let sale_id = purchase.code.sale;
        let line = |line: &CartLine, sold| {
            let item = item(line.ordinal).ok_or(UnknownItem(line.ordinal))?;
            let id = ItemId { sale: sale_id, ordinal: line.ordinal };
            Ok(ReceiptLine { id, name: item.name().into(), price: item.price(), quantity: line.quantity.get(), sold })
        };
        let bought: Vec<ReceiptLine> =
            purchase.lines().iter().map(|bought| line(bought, true)).collect::<Result<_, _>>()?;
        let total = bought.iter().map(|line| line.price.times(line.quantity)).sum();
        let missed = purchase.missed.iter().map(|missed| line(missed, false));
        Ok(Receipt {
            order_id: OrderId { sale: sale_id, entry: id },
            code: purchase.code,
            sale_id,
            user_id: purchase.user.clone(),
            lines: bought.into_iter().map(Ok).chain(missed).collect::<Result<_, _>>()?,
            units: purchase.units.len() as u32,
            missed_units: purchase.missed.iter().map(|line| line.quantity.get()).sum(),
            total,
            currency: terms.currency,
            purchased_at: id.time(),
            pay_by: terms.payment_window.map(|window| window.pay_by(id)),
        })
    }
}
