//! Receipts.

use divan::{Bencher, black_box};
use flashsale::domain::sale::{Catalog, Purchase, Receipt, SoldUnit, Terms};
use flashsale::domain::shared::{LedgerId, Ordinal};
use flashsale::infrastructure::http::PurchaseBody;

/// The purchase of this many units, each of another item, and the catalog of these items.
fn purchase(units: u32) -> (Catalog, Purchase) {
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
    (Catalog::generated(units).expect("the sale is within the limits"), purchase)
}

fn receipt(catalog: &Catalog, purchase: &Purchase) -> Receipt {
    let id: LedgerId = "1763632800000-42".parse().expect("it is a ledger id");
    let terms = Terms { currency: catalog.currency(), payment_window: None };
    Receipt::new(terms, |ordinal| catalog.item(ordinal), id, purchase).expect("the items exist")
}

/// Makes the receipt of a purchase with this many units.
#[divan::bench(args = [1, 10])]
fn new(bencher: Bencher, units: u32) {
    let (catalog, purchase) = purchase(units);
    bencher.bench(|| receipt(&catalog, black_box(&purchase)));
}

/// Writes it as JSON.
#[divan::bench(args = [1, 10])]
fn write(bencher: Bencher, units: u32) {
    let (catalog, purchase) = purchase(units);
    let make = || PurchaseBody::of_cart(receipt(&catalog, &purchase));
    bencher.with_inputs(make).bench_refs(|body| serde_json::to_vec(body));
}
