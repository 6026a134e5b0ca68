//! The sold-item filter.

use divan::{Bencher, black_box};
use flashsale::application::sale::sold_filter::SoldFilter;
use flashsale::domain::shared::{LedgerId, Ordinal};

const ITEMS: [u32; 2] = [10_000, 1_000_000];

/// A filter of a sale in which every second item is sold, and the ordinals of all items.
fn half_sold(items: u32) -> (SoldFilter, Vec<Ordinal>) {
    let ordinals = (1..=items).filter_map(|number| Ordinal::try_from(number).ok()).collect();
    (SoldFilter::new(&left(items), LedgerId::ZERO), ordinals)
}

fn left(items: u32) -> Vec<u32> {
    (0..items).map(|index| index % 2).collect()
}

/// Looks every item up.
#[divan::bench(args = ITEMS)]
fn is_sold(bencher: Bencher, items: u32) {
    let (filter, ordinals) = half_sold(items);
    bencher
        .counter(ordinals.len())
        .bench(|| ordinals.iter().filter(|ordinal| filter.is_sold(**black_box(ordinal))).count());
}

/// Builds the filter.
#[divan::bench(args = ITEMS)]
fn new(bencher: Bencher, items: u32) {
    let left = left(items);
    bencher.counter(left.len()).bench(|| SoldFilter::new(black_box(&left), LedgerId::ZERO));
}
