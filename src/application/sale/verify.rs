//! Verification: compares Redis with PostgreSQL, and both with the rules.

use std::collections::HashSet;

use futures::TryStreamExt;

use crate::application::shared::StoreError;
use crate::domain::sale::{LedgerEntry, LedgerEvent, Sale, Stock};
use crate::domain::shared::LedgerId;

use super::findings::Findings;
use super::ports::Snapshot;
use super::shop::Shop;

impl Shop {
    /// Checks one sale, while it sells or later. Entries on their way from Redis to PostgreSQL are no drift: the cursor
    /// is read first, then Redis, then the purchases in PostgreSQL without those that are newer than Redis' tail.
    pub async fn verify(&self, sale: &Sale) -> Result<Findings, StoreError> {
        let cursor = self.archive.cursors(sale.id).await?.ledger;
        let snapshot = self.store.snapshot(sale.id).await?;
        let rejections = self.archive.rejections(sale.id).await?;
        let archived = self.archived_purchases(sale.id).try_concat().await;
        let checked = self.archive.check(sale.id).await?;
        let mut findings = Findings {
            sold: checked.sold,
            oversold: checked.oversold,
            over_limit: checked.over_limit,
            drift: checked.wrong_totals,
            lost: 0,
        };
        let archived = match archived {
            Ok(archived) => archived,
            Err(StoreError::Corrupt(what)) => {
                tracing::error!(sale = %sale.id, what, "a purchase in PostgreSQL cannot be read");
                findings.drift = findings.drift.max(1);
                return Ok(findings);
            }
            Err(error) => return Err(error),
        };
        let Some(Snapshot { holdings, ledger }) = snapshot else {
            // Redis may drop a closed sale. Any other sale without state is lost.
            findings.drift += if sale.closed { 0 } else { checked.sold.max(1) };
            return Ok(findings);
        };
        let known: HashSet<LedgerId> = archived.iter().map(|recorded| recorded.id).collect();
        let rejected: HashSet<LedgerId> = rejections.iter().map(|entry| entry.id).collect();
        let is_purchase = |entry: &&LedgerEntry| matches!(entry.event, LedgerEvent::Sold(_));
        let lost =
            |entry: &&LedgerEntry| entry.id <= cursor && !known.contains(&entry.id) && !rejected.contains(&entry.id);
        findings.lost = ledger.iter().filter(is_purchase).filter(lost).count() as u64;

        let mut expected = Stock::new(sale.clone(), &self.archive.catalog(sale.id).await?);
        let tail = ledger.last().map_or(LedgerId::ZERO, |entry| entry.id);
        for recorded in archived.into_iter().filter(|recorded| recorded.id <= tail.max(cursor)) {
            expected.apply(&LedgerEntry { id: recorded.id, event: LedgerEvent::Sold(recorded.purchase) });
        }
        ledger.iter().for_each(|entry| expected.apply(entry));
        findings.drift += expected.holdings.drift(&holdings);
        Ok(findings)
    }
}
