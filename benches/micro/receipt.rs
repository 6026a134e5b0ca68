//! Receipts.

use divan::{Bencher, black_box};
use flashsale::domain::sale::{Catalog, Purchase, Receipt, SoldUnit};
use flashsale::domain::shared::{LedgerId, Ordinal};

/// Makes the receipt of a purchase with this many units, each of another item.
#[divan::bench(args = [1, 10])]
fn new(bencher: Bencher, units: u32) {
    let catalog = Catalog::generated(units).expect("the sale is within the limits");
    let unit = |number| {
        let ordinal = Ordinal::try_from(number).expect("the number is within the sale");
        SoldUnit { ordinal, unit: 1, slot: number }
    };
    let purchase = Purchase {
        code: format!("20261120T09-{:032x}", 7).parse().expect("it is a code"),
        user: "ann".parse().expect("it is a user"),
        request: None,
        units: (1..=units).map(unit).collect(),
        missed: Vec::new(),
    };
    let id: LedgerId = "1763632800000-42".parse().expect("it is a ledger id");
    bencher.bench(|| Receipt::new(catalog.currency(), |ordinal| catalog.item(ordinal), id, black_box(&purchase)));
}
