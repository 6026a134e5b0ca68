//! Verification: compares Redis with PostgreSQL, and both with the rules.
//!
//! It reads pages, never a whole sale, and sales go on meanwhile. A purchase or a release reaches Redis first, then
//! PostgreSQL. So everything in PostgreSQL must be in Redis, unless a release of it is in the ledger behind the cursor,
//! and everything in Redis must be in PostgreSQL or in the ledger behind its cursor. A difference between two pages is
//! therefore a suspicion: it is read again, in that order, before it counts.

use std::collections::HashSet;
use std::time::Duration;

use crate::application::shared::StoreError;
use crate::domain::sale::{Holdings, LedgerEntry, LedgerEvent, Sale};
use crate::domain::shared::limits::WAITING_PURCHASES_MAX;
use crate::domain::shared::{LedgerId, SaleId};

use super::findings::Findings;
use super::pace::Pace;
use super::ports::ScanPosition;
use super::shop::Shop;

/// Entries of one page.
const PAGE: usize = 500;

/// Entries of a page of Redis, about.
const SCAN_PAGE: u64 = 250;

/// Fewest stream entries in one page of the ledger: each may hold many purchases.
const LEDGER_PAGE_MIN: usize = 8;

/// Rounds in which a suspicion must be found again before it counts. What changes in just the wrong moment of one round, as
/// a unit may that is sold and released again and again, hardly does so in all of them.
const ROUNDS: usize = 6;

/// Pause before the second of these rounds, where only another instance can end the difference.
const PAUSE: Duration = Duration::from_millis(20);

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
            verification.compare(sale.closed).await?;
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
    /// Compares both ways. Of a closed sale, which PostgreSQL alone answers for and no repair touches, only the ledger
    /// counts: it may know of a purchase that PostgreSQL lost.
    async fn compare(&mut self, closed: bool) -> Result<(), StoreError> {
        if closed {
            return self.check_ledger().await;
        }
        self.check_rules().await?;
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

    /// Checks that Redis decides by the window and the limit that PostgreSQL has, in several rounds: a sale that is ended
    /// early has ended in PostgreSQL first.
    async fn check_rules(&mut self) -> Result<(), StoreError> {
        for round in 0..ROUNDS {
            let Some(sale) = self.shop.archive.sale(self.sale).await? else { return Ok(()) };
            if sale.closed || self.shop.store.decides_as(&sale).await? {
                return Ok(());
            }
            tokio::time::sleep(PAUSE * round as u32).await;
        }
        self.findings.drift += 1;
        Ok(())
    }

    /// Checks that Redis holds everything that PostgreSQL does, and that the ledger does. Of a page of purchases, some may
    /// be released.
    async fn check_archive(&mut self) -> Result<(), StoreError> {
        let mut after = LedgerId::ZERO;
        loop {
            let page = self.shop.archive.entries_in(self.sale, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            self.check_recorded(after, last.id, &page).await?;
            after = last.id;
            let archived = recorded(&page);
            let missing = archived.missing_in(&self.held(&archived).await?);
            self.check_missing(missing).await?;
        }
    }

    /// Counts the entries of a page of PostgreSQL that the ledger has lost.
    async fn check_recorded(
        &mut self,
        after: LedgerId,
        last: LedgerId,
        archived: &[LedgerEntry],
    ) -> Result<(), StoreError> {
        let (mut ledger, mut recorded) = (LedgerPages::after(after), HashSet::new());
        while ledger.after < last {
            let page = ledger.next(self).await?;
            if page.is_empty() {
                break;
            }
            recorded.extend(page.iter().map(|entry| entry.id));
        }
        self.findings.drift += archived.iter().filter(|entry| !recorded.contains(&entry.id)).count() as u64;
        Ok(())
    }

    /// Counts what PostgreSQL holds, Redis does not, and no release explains, in several rounds: a release may be archived
    /// between two steps of one.
    async fn check_missing(&mut self, mut missing: Holdings) -> Result<(), StoreError> {
        for _round in 0..ROUNDS {
            missing = self.shop.archive.held(self.sale, &missing).await?;
            missing = missing.missing_in(&self.held(&missing).await?);
            if missing.count() == 0 {
                return Ok(());
            }
            let cursor = self.shop.archive.cursors(self.sale).await?.ledger;
            let Some(waiting) = self.entries_after(cursor).await? else {
                self.pace.skipped += missing.count();
                return Ok(());
            };
            let freed = self.purchases_of(waiting.released.into_keys()).await?;
            missing = Holdings {
                units: missing.missing_in(&freed).units,
                slots: missing.missing_in(&freed).slots,
                ..missing
            };
        }
        self.findings.drift += missing.count();
        Ok(())
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
            let mut sold = recorded(&page);
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

    /// Counts what Redis holds and nothing explains, in several rounds: a rejected purchase may be released between two
    /// steps of one.
    async fn check_suspected(&mut self, mut suspected: Holdings) -> Result<(), StoreError> {
        for _round in 0..ROUNDS {
            if suspected.count() == 0 {
                return Ok(());
            }
            suspected = self.held(&suspected).await?;
            let cursor = self.shop.archive.cursors(self.sale).await?.ledger;
            let Some(waiting) = self.entries_after(cursor).await? else {
                self.pace.skipped += suspected.count();
                return Ok(());
            };
            suspected = suspected.unknown_to(&waiting).unknown_to(&self.unreleased().await?);
            suspected = suspected.unknown_to(&self.shop.archive.held(self.sale, &suspected).await?);
        }
        self.findings.drift += suspected.count();
        Ok(())
    }

    /// Returns what the purchases in the ledger after the cursor take, and the releases there; `None` if there are too
    /// many.
    async fn entries_after(&mut self, cursor: LedgerId) -> Result<Option<Holdings>, StoreError> {
        let (mut waiting, mut ledger) = (Holdings::default(), LedgerPages::after(cursor));
        while waiting.receipts.len() + waiting.released.len() <= WAITING_PURCHASES_MAX {
            let page = ledger.next(self).await?;
            if page.is_empty() {
                return Ok(Some(waiting));
            }
            waiting.extend(recorded(&page));
        }
        Ok(None)
    }

    /// Returns what rejected purchases take until Redis releases them.
    async fn unreleased(&mut self) -> Result<Holdings, StoreError> {
        let rejections = self.shop.archive.rejections(self.sale).await?;
        let unreleased = rejections.iter().filter(|rejection| !rejection.released);
        self.purchases_of(unreleased.map(|rejection| rejection.id)).await
    }

    /// Returns what the purchases with these ledger ids took.
    async fn purchases_of(&mut self, ids: impl Iterator<Item = LedgerId>) -> Result<Holdings, StoreError> {
        let mut holdings = Holdings::default();
        for id in ids {
            let entry = self.pace.read(1, self.shop.store.read_one(self.sale, id)).await?;
            holdings.extend(recorded(entry.as_slice()));
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

/// Returns what these purchases took, and the releases of committed ones.
fn recorded(entries: &[LedgerEntry]) -> Holdings {
    let mut holdings = Holdings::default();
    for entry in entries {
        match &entry.event {
            LedgerEvent::Sold(purchase) => holdings.record(entry.id, purchase),
            LedgerEvent::Released(release) if entry.is_release() => {
                holdings.released.insert(release.purchase, entry.id);
            }
            LedgerEvent::Opened | LedgerEvent::Released(_) | LedgerEvent::Unreadable(_) => {}
        }
    }
    holdings
}
