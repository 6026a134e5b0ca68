//! The self-audit: the verification of live sales while they sell.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::application::shared::StoreError;

use super::findings::Findings;
use super::last_audit::LastAudit;
use super::live_sale::LiveSale;
use super::pace::Pace;
use super::shop::Shop;

impl LiveSale {
    /// Makes the audit of this sale the duty of this instance.
    pub fn begin_audits(&self, now: DateTime<Utc>) {
        self.last_audit.store(Some(LastAudit { at: now, findings: None }.into()));
    }

    /// Ends that duty. The result of the last audit is out of date from here on.
    pub fn end_audits(&self) {
        self.last_audit.store(None);
    }

    /// Returns true if this instance audits the sale.
    pub fn is_audited_here(&self) -> bool {
        self.last_audit.load().is_some()
    }
}

impl Shop {
    /// Has a sale rebuilt from PostgreSQL whose state in Redis differs from it: closes its fence, so that a recovery
    /// follows. Returns false, and changes nothing, if that would destroy evidence or copy an error: a purchase is lost,
    /// or PostgreSQL itself breaks a rule.
    pub async fn repair(&self, sale: &LiveSale, findings: Findings) -> Result<bool, StoreError> {
        let only_drift = Findings { drift: findings.drift, ..Findings::default() };
        if findings.faults() != only_drift || !self.archive.check(sale.id()).await?.is_sound() {
            return Ok(false);
        }
        let epoch = self.enter(sale)?;
        self.store.fence(epoch.number(), sale.id()).await?;
        epoch.note_loss();
        Ok(true)
    }

    /// Verifies a live sale and keeps the result with it. Returns `None`, without a result, if Redis has lost its state
    /// or a recovery ran meanwhile: a sale that waits to be restored differs from PostgreSQL without being wrong.
    pub async fn audit(&self, sale: &LiveSale, pace: &mut Pace) -> Result<Option<Findings>, StoreError> {
        let epoch = self.enter(sale)?.number();
        let findings = self.verify(&sale.sale(), pace).await?;
        if !findings.is_sound() {
            self.check_sale(sale).await?;
        }
        if sale.fence.epoch() != Some(epoch) || self.archive.cursors(sale.id()).await?.epoch != epoch {
            return Ok(None);
        }
        let audit = Arc::new(LastAudit { at: self.clock.now(), findings: Some(findings) });
        // The duty may have ended meanwhile, and then stays ended.
        let before = sale.last_audit.rcu(|last| last.as_ref().map(|_| audit.clone()));
        Ok(before.map(|_| findings))
    }
}

#[cfg(test)]
mod tests {
    use crate::application::sale::live_sale::sample;

    use super::*;

    #[test]
    fn an_instance_that_no_longer_audits_shows_no_result() {
        let (sale, since) = (sample(1), Utc::now());
        sale.begin_audits(since);
        assert_eq!(sale.last_audit.load_full().as_deref(), Some(&LastAudit { at: since, findings: None }));
        sale.end_audits();
        assert!(!sale.is_audited_here());
    }
}
