//! The registry of the sales that this instance knows.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};

use crate::domain::sale::{Sale, SaleStatus};
use crate::domain::shared::limits::SALE_ITEMS_MAX;
use crate::domain::shared::{SaleId, SaleKind};

use super::live_sale::LiveSale;

/// Past sales that are kept in memory after a request for them, and the items that they may have together. Each item
/// takes about 150 bytes.
const PAST_SALES_KEPT: usize = 8;
const PAST_ITEMS_KEPT: u32 = SALE_ITEMS_MAX;

/// The live sales by id, and a few past ones.
#[derive(Default)]
pub struct SaleRegistry {
    live: ArcSwap<BTreeMap<SaleId, Arc<LiveSale>>>,
    past: Mutex<VecDeque<Arc<LiveSale>>>,
}

/// A direction in the order of hourly sales.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Neighbour {
    Previous,
    Next,
}

impl SaleRegistry {
    /// Returns a live sale.
    pub fn live(&self, id: SaleId) -> Option<Arc<LiveSale>> {
        self.live.load().get(&id).cloned()
    }

    /// Returns all live sales, earliest start first.
    pub fn all_live(&self) -> Vec<Arc<LiveSale>> {
        self.live.load().values().cloned().collect()
    }

    /// Returns the hourly sale that is open at `now`, if Redis has shown this instance its state.
    pub fn current(&self, now: DateTime<Utc>) -> Option<Arc<LiveSale>> {
        let live = self.live.load();
        let is_open = |sale: &&Arc<LiveSale>| {
            let is_known = sale.id().kind() == SaleKind::Hourly && sale.fence.was_open();
            is_known && sale.sale().window.status(now) == SaleStatus::Open
        };
        live.values().rev().find(is_open).cloned()
    }

    /// Returns the hourly sale right before or after this one.
    pub fn neighbour(&self, id: SaleId, direction: Neighbour) -> Option<Arc<LiveSale>> {
        let live = self.live.load();
        let past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        let hourly = live.values().chain(past.iter()).filter(|sale| sale.id().kind() == SaleKind::Hourly);
        match direction {
            Neighbour::Previous => hourly.filter(|sale| sale.id() < id).max_by_key(|sale| sale.id()).cloned(),
            Neighbour::Next => hourly.filter(|sale| sale.id() > id).min_by_key(|sale| sale.id()).cloned(),
        }
    }

    /// Adds a live sale. Returns the registered one, which is another if a concurrent call was faster.
    pub fn add(&self, sale: Arc<LiveSale>) -> Arc<LiveSale> {
        let id = sale.id();
        self.live.rcu(|live| {
            let mut live = BTreeMap::clone(live);
            live.entry(id).or_insert_with(|| sale.clone());
            live
        });
        // It may have been closed again meanwhile.
        self.live(id).unwrap_or(sale)
    }

    /// Turns a live sale into a past one: all of it is archived.
    pub fn close(&self, id: SaleId) {
        let Some(sale) = self.live(id) else { return };
        sale.update(Sale { closed: true, ..Sale::clone(&sale.sale()) });
        sale.confirmations.close();
        sale.stock_feed.close();
        self.keep(sale);
        self.live.rcu(|live| {
            let mut live = BTreeMap::clone(live);
            live.remove(&id);
            live
        });
    }

    /// Returns a past sale that is still in memory.
    pub fn past(&self, id: SaleId) -> Option<Arc<LiveSale>> {
        let past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        past.iter().find(|sale| sale.id() == id).cloned()
    }

    /// Keeps a past sale in memory; the oldest ones make room.
    pub fn keep(&self, sale: Arc<LiveSale>) {
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        past.push_front(sale);
        let kept = kept(past.iter().map(|sale| sale.catalog.items()));
        past.truncate(kept);
    }
}

/// Returns how many past sales stay in memory, by their numbers of items.
fn kept(items: impl Iterator<Item = u32>) -> usize {
    let mut sum = 0;
    items
        .take(PAST_SALES_KEPT)
        .take_while(|items| {
            sum += items;
            sum <= PAST_ITEMS_KEPT
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_sales_are_bounded_by_their_number_and_by_their_items() {
        for (items, expected) in [(10_000, PAST_SALES_KEPT), (250_000, 4), (600_000, 1), (SALE_ITEMS_MAX, 1)] {
            assert_eq!(kept([items; 20].into_iter()), expected, "{items}");
        }
    }
}
