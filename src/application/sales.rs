//! The sales that this instance knows.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};

use crate::domain::{Sale, SaleId, SaleKind, SaleStatus};

use super::live_sale::LiveSale;

/// How many sales of the past are kept in memory, once somebody asked for them.
const PAST_SALES_KEPT: usize = 8;

/// The live sales by id, and a few of the past.
#[derive(Default)]
pub struct Sales {
    live: ArcSwap<BTreeMap<SaleId, Arc<LiveSale>>>,
    past: Mutex<VecDeque<Arc<LiveSale>>>,
}

impl Sales {
    /// The sale, if its ledger is being followed.
    pub fn live(&self, id: SaleId) -> Option<Arc<LiveSale>> {
        self.live.load().get(&id).cloned()
    }

    /// All live sales, earliest start first.
    pub fn all_live(&self) -> Vec<Arc<LiveSale>> {
        self.live.load().values().cloned().collect()
    }

    /// The hourly sale that is on at `now`.
    pub fn current(&self, now: DateTime<Utc>) -> Option<Arc<LiveSale>> {
        let live = self.live.load();
        let on = |sale: &&Arc<LiveSale>| {
            let sale = sale.sale();
            sale.id.kind() == SaleKind::Hourly && sale.window.status(now) == SaleStatus::Open
        };
        live.values().rev().find(on).cloned()
    }

    /// The hourly sale that comes right before or after this one.
    pub fn neighbour(&self, id: SaleId, step: Step) -> Option<Arc<LiveSale>> {
        let live = self.live.load();
        let past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        let hourly = live.values().chain(past.iter()).filter(|sale| sale.sale().id.kind() == SaleKind::Hourly);
        match step {
            Step::Before => hourly.filter(|sale| sale.sale().id < id).max_by_key(|sale| sale.sale().id).cloned(),
            Step::After => hourly.filter(|sale| sale.sale().id > id).min_by_key(|sale| sale.sale().id).cloned(),
        }
    }

    /// Begins to know a sale. Returns the one that is known, which is another where somebody was faster.
    pub fn add(&self, sale: Arc<LiveSale>) -> Arc<LiveSale> {
        let id = sale.sale().id;
        self.live.rcu(|live| {
            let mut live = BTreeMap::clone(live);
            live.entry(id).or_insert_with(|| sale.clone());
            live
        });
        self.live(id).unwrap_or(sale)
    }

    /// Turns a live sale into one of the past: all of it is archived.
    pub fn close(&self, id: SaleId) {
        let Some(sale) = self.live(id) else { return };
        sale.update(Sale { closed: true, ..Sale::clone(&sale.sale()) });
        sale.confirmations.close();
        self.keep(sale);
        self.live.rcu(|live| {
            let mut live = BTreeMap::clone(live);
            live.remove(&id);
            live
        });
    }

    /// A sale of the past that was asked for lately.
    pub fn past(&self, id: SaleId) -> Option<Arc<LiveSale>> {
        let past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        past.iter().find(|sale| sale.sale().id == id).cloned()
    }

    /// Keeps a sale of the past for a while.
    pub fn keep(&self, sale: Arc<LiveSale>) {
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        past.push_front(sale);
        past.truncate(PAST_SALES_KEPT);
    }
}

/// See [`Sales::neighbour`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Before,
    After,
}
