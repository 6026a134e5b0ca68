//! Comparing Redis with PostgreSQL, and both with the rules.

use std::collections::HashSet;
use std::fmt;

use crate::domain::{LedgerEntry, LedgerEvent, LedgerId, Sale, Stock};

use super::ports::{Snapshot, StoreError};
use super::shop::Shop;

/// What there is to say about a sale. All but `sold` should be zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Findings {
    /// Units that PostgreSQL says are sold.
    pub sold: u64,
    /// Purchases that count as archived and are not.
    pub lost: u64,
    /// Units sold more than once, or that do not exist.
    pub oversold: u64,
    /// Users who own more than the limit.
    pub over_limit: u64,
    /// Units, slots, receipts and requests about which Redis and PostgreSQL differ, and purchases whose
    /// totals are not those of their units.
    pub drift: u64,
}

impl Findings {
    /// Whether every invariant holds.
    pub fn is_sound(&self) -> bool {
        self.faults() == Findings::default()
    }

    /// What is wrong, whatever was sold.
    pub fn faults(self) -> Findings {
        Findings { sold: 0, ..self }
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Findings { sold, lost, oversold, over_limit, drift } = self;
        write!(f, "sold={sold} lost={lost} oversold={oversold} over_limit={over_limit} drift={drift}")
    }
}

impl std::ops::AddAssign for Findings {
    fn add_assign(&mut self, other: Findings) {
        self.sold += other.sold;
        self.lost += other.lost;
        self.oversold += other.oversold;
        self.over_limit += other.over_limit;
        self.drift += other.drift;
    }
}

impl Shop {
    /// Checks one sale, while it is being sold or later. What is on its way from Redis to PostgreSQL is no
    /// drift: the cursor is read first, then Redis, then the purchases in PostgreSQL, of which those that
    /// came in since are left out.
    pub async fn verify(&self, sale: &Sale) -> Result<Findings, StoreError> {
        let cursor = self.archive.cursors(sale.id).await?.ledger;
        let snapshot = self.sale_store.snapshot(sale.id).await?;
        let rejections = self.archive.rejections(sale.id).await?;
        let archived = self.archive.sold_in(sale.id).await?;
        let audit = self.archive.audit(sale.id).await?;
        let mut findings = Findings {
            sold: audit.sold,
            oversold: audit.oversold,
            over_limit: audit.over_limit,
            drift: audit.wrong_totals,
            lost: 0,
        };
        let Some(Snapshot { holdings, ledger }) = snapshot else {
            // Redis may let go of a closed sale. Of any other it has forgotten what it had.
            findings.drift += if sale.closed { 0 } else { audit.sold.max(1) };
            return Ok(findings);
        };
        let known: HashSet<LedgerId> = archived.iter().map(|decided| decided.id).collect();
        let rejected: HashSet<LedgerId> = rejections.iter().map(|letter| letter.id).collect();
        let is_purchase = |entry: &&LedgerEntry| matches!(entry.event, LedgerEvent::Sold(_));
        let lost =
            |entry: &&LedgerEntry| entry.id <= cursor && !known.contains(&entry.id) && !rejected.contains(&entry.id);
        findings.lost = ledger.iter().filter(is_purchase).filter(lost).count() as u64;

        let mut expected = Stock::new(sale.clone(), &self.archive.catalog(sale.id).await?);
        let tail = ledger.last().map_or(LedgerId::ZERO, |entry| entry.id);
        for decided in archived.into_iter().filter(|decided| decided.id <= tail.max(cursor)) {
            expected.apply(&LedgerEntry { id: decided.id, event: LedgerEvent::Sold(decided.sold) });
        }
        ledger.iter().for_each(|entry| expected.apply(entry));
        findings.drift += expected.holdings.drift(&holdings);
        Ok(findings)
    }
}
