//! Entries of the ledger.

use divan::{Bencher, black_box};
use flashsale::domain::shared::LedgerId;
use flashsale::infrastructure::redis::parse_entries;

/// Reads a stream entry that records this many purchases of one unit.
#[divan::bench(args = [1, 32])]
fn parse(bencher: Bencher, purchases: u32) {
    let line = |number| format!("1763632800000-{number} 20261120T09-{number:032x} user{number} =r {number}:1:1 -");
    let lines: Vec<_> = (1..=purchases).map(line).collect();
    let last: LedgerId = format!("1763632800000-{purchases}").parse().expect("it is a ledger id");
    let fields = ["sold".to_owned(), lines.join("\n")];
    bencher.counter(purchases).bench(|| parse_entries(last, black_box(&fields)));
}
