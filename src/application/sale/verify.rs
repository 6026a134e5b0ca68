//! Verification: compares Redis with PostgreSQL, and both with the rules.
//!
//! It reads pages, never a whole sale, and sales go on meanwhile. A purchase reaches Redis first, then PostgreSQL. So
//! everything in PostgreSQL must be in Redis at once, and everything in Redis must be in PostgreSQL or in the ledger
//! behind its cursor. A difference between two pages is therefore a suspicion: it is read again, in that order, before
//! it counts.

use std::collections::HashSet;

use crate::application::shared::StoreError;
use crate::domain::sale::{Holdings, LedgerEntry, LedgerEvent, Sale};
use crate::domain::shared::limits::WAITING_PURCHASES_MAX;
use crate::domain::shared::{LedgerId, SaleId};

use super::findings::Findings;
use super::pace::Pace;
use super::ports::ScanPosition;
use super::shop::Shop;

/// Purchases of one page.
const PAGE: usize = 500;

/// Entries of a page of Redis, about.
const SCAN_PAGE: u64 = 250;

/// Fewest stream entries in one page of the ledger: each may hold many purchases.
const LEDGER_PAGE_MIN: usize = 8;

/// Suspicions that are checked together.
const SUSPICIONS: u64 = 500;

impl Shop {
    /// Checks one sale, while it sells or later.
    pub async fn verify(&self, sale: &Sale, pace: &mut Pace) -> Result<Findings, StoreError> {
        let checked = self.archive.check(sale.id).await?;
        let findings = Findings {
            sold: checked.sold,
            oversold: checked.oversold,
            over_limit: checked.over_limit,
            drift: checked.wrong_totals,
            lost: 0,
        };
        let mut verification = Verification { shop: self, sale: sale.id, pace, findings };
        if self.store.has_state(sale.id).await? {
            verification.compare().await?;
            if self.store.has_state(sale.id).await? {
                return Ok(verification.findings);
            }
        }
        // Redis may drop a closed sale. Any other sale without state is lost.
        let drift = findings.drift + if sale.closed { 0 } else { checked.sold.max(1) };
        Ok(Findings { drift, ..findings })
    }
}

struct Verification<'a> {
    shop: &'a Shop,
    sale: SaleId,
    pace: &'a mut Pace,
    findings: Findings,
}

impl Verification<'_> {
    async fn compare(&mut self) -> Result<(), StoreError> {
        match self.check_archive().await {
            Err(StoreError::Corrupt(what)) => {
                tracing::error!(sale = %self.sale, what, "a purchase in PostgreSQL cannot be read");
                self.findings.drift = self.findings.drift.max(1);
            }
            result => result?,
        }
        self.check_ledger().await?;
        self.check_store().await
    }

    /// Checks that Redis holds everything that PostgreSQL does.
    async fn check_archive(&mut self) -> Result<(), StoreError> {
        let mut after = LedgerId::ZERO;
        loop {
            let page = self.shop.archive.purchases_in(self.sale, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.id;
            let mut archived = Holdings::default();
            page.iter().for_each(|recorded| archived.record(recorded.id, &recorded.purchase));
            let missing = archived.missing_in(&self.held(&archived).await?);
            if missing.count() > 0 {
                let archived = self.shop.archive.held(self.sale, &missing).await?;
                self.findings.drift += archived.missing_in(&self.held(&missing).await?).count();
            }
        }
    }

    /// Checks that PostgreSQL holds every purchase in the ledger up to its cursor, unless it rejected it.
    async fn check_ledger(&mut self) -> Result<(), StoreError> {
        let cursor = self.shop.archive.cursors(self.sale).await?.ledger;
        let mut ledger = LedgerPages::after(LedgerId::ZERO);
        loop {
            let page = ledger.next(self).await?;
            if page.first().is_none_or(|entry| entry.id > cursor) {
                return Ok(());
            }
            let mut sold = sold(&page);
            sold.receipts.retain(|_, id| *id <= cursor);
            let sold = Holdings { receipts: sold.receipts, ..Holdings::default() };
            let mut lost = sold.unknown_to(&self.shop.archive.held(self.sale, &sold).await?);
            if !lost.receipts.is_empty() {
                let rejections = self.shop.archive.rejections(self.sale).await?;
                let rejected: HashSet<LedgerId> = rejections.iter().map(|entry| entry.id).collect();
                lost.receipts.retain(|_, id| !rejected.contains(id));
            }
            self.findings.lost += lost.receipts.len() as u64;
        }
    }

    /// Checks that everything that Redis holds is in PostgreSQL or on its way there.
    async fn check_store(&mut self) -> Result<(), StoreError> {
        let (mut suspected, mut next) = (Holdings::default(), Some(ScanPosition::default()));
        while let Some(position) = next {
            let page = self.pace.read(SCAN_PAGE, self.shop.store.scan(self.sale, position)).await?;
            next = page.next;
            self.findings.drift += page.unreadable;
            suspected.extend(page.holdings.unknown_to(&self.shop.archive.held(self.sale, &page.holdings).await?));
            if suspected.count() >= SUSPICIONS {
                self.check_suspected(std::mem::take(&mut suspected)).await?;
            }
        }
        self.check_suspected(suspected).await
    }

    /// Counts what Redis holds and nothing explains, in two rounds: a rejected purchase may be released between two
    /// steps of the first.
    async fn check_suspected(&mut self, mut suspected: Holdings) -> Result<(), StoreError> {
        for _round in 0..2 {
            if suspected.count() == 0 {
                return Ok(());
            }
            suspected = self.held(&suspected).await?;
            let cursor = self.shop.archive.cursors(self.sale).await?.ledger;
            let Some(waiting) = self.sold_after(cursor).await? else {
                self.pace.skipped += suspected.count();
                return Ok(());
            };
            suspected = suspected.unknown_to(&waiting).unknown_to(&self.unreleased().await?);
            suspected = suspected.unknown_to(&self.shop.archive.held(self.sale, &suspected).await?);
        }
        self.findings.drift += suspected.count();
        Ok(())
    }

    /// Returns what the purchases in the ledger after the cursor take; `None` if there are too many.
    async fn sold_after(&mut self, cursor: LedgerId) -> Result<Option<Holdings>, StoreError> {
        let (mut waiting, mut ledger) = (Holdings::default(), LedgerPages::after(cursor));
        while waiting.receipts.len() <= WAITING_PURCHASES_MAX {
            let page = ledger.next(self).await?;
            if page.is_empty() {
                return Ok(Some(waiting));
            }
            waiting.extend(sold(&page));
        }
        Ok(None)
    }

    /// Returns what rejected purchases take until Redis releases them.
    async fn unreleased(&mut self) -> Result<Holdings, StoreError> {
        let mut holdings = Holdings::default();
        let rejections = self.shop.archive.rejections(self.sale).await?;
        for rejection in rejections.iter().filter(|rejection| !rejection.released) {
            let entry = self.pace.read(1, self.shop.store.read_one(self.sale, rejection.id)).await?;
            holdings.extend(sold(entry.as_slice()));
        }
        Ok(holdings)
    }

    async fn held(&mut self, of: &Holdings) -> Result<Holdings, StoreError> {
        self.pace.read(of.count(), self.shop.store.held(self.sale, of)).await
    }
}

/// Reads a ledger in pages of about [`PAGE`] purchases.
struct LedgerPages {
    after: LedgerId,
    max: usize,
}

impl LedgerPages {
    fn after(after: LedgerId) -> Self {
        LedgerPages { after, max: LEDGER_PAGE_MIN }
    }

    /// Returns the next page, which is empty at the end.
    async fn next(&mut self, verification: &mut Verification<'_>) -> Result<Vec<LedgerEntry>, StoreError> {
        let Verification { shop, sale, pace, .. } = verification;
        let page = pace.read(PAGE as u64, shop.store.read(*sale, self.after, self.max)).await?;
        if let Some(last) = page.last() {
            self.after = last.id;
            self.max = (self.max * PAGE / page.len()).clamp(LEDGER_PAGE_MIN, PAGE);
        }
        Ok(page)
    }
}

fn sold(entries: &[LedgerEntry]) -> Holdings {
    let mut holdings = Holdings::default();
    for entry in entries {
        if let LedgerEvent::Sold(purchase) = &entry.event {
            holdings.record(entry.id, purchase);
        }
    }
    holdings
}
