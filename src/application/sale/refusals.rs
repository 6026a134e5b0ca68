//! Counts of refused checkouts by second and reason: in a rush there are too many to store one by one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

use crate::domain::sale::CheckoutRefusal;
use crate::domain::shared::SaleId;

use super::ports::RefusalKey;

/// Bound on the counts that wait for the archive. While the archive is away they grow by a few a second; beyond the
/// bound, later refusals are counted under the second 0.
const KEYS_MAX: usize = 20_000;

/// Counts that are not archived yet.
#[derive(Debug, Default)]
pub struct Refusals {
    counts: Mutex<HashMap<RefusalKey, u64>>,
    filtered: AtomicU64,
}

impl Refusals {
    /// Counts a request that the sold-item filter refused without a call to Redis.
    pub fn count_filtered(&self) {
        self.filtered.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the number of requests that the sold-item filter has refused on this instance.
    pub fn filtered(&self) -> u64 {
        self.filtered.load(Ordering::Relaxed)
    }

    /// Counts a refused checkout.
    pub fn count(&self, sale: SaleId, now: DateTime<Utc>, refusal: &CheckoutRefusal) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let full = counts.len() >= KEYS_MAX;
        let second = if full { 0 } else { now.timestamp() };
        *counts.entry(RefusalKey { sale, second, reason: refusal.into() }).or_default() += 1;
    }

    /// Takes all counts out.
    pub(super) fn take(&self) -> Vec<(RefusalKey, u64)> {
        let mut counts: Vec<_> = self.counts.lock().unwrap_or_else(PoisonError::into_inner).drain().collect();
        counts.sort();
        counts
    }

    /// Adds counts that could not be archived.
    pub(super) fn give_back(&self, taken: Vec<(RefusalKey, u64)>) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, count) in taken {
            *counts.entry(key).or_default() += count;
        }
    }
}
