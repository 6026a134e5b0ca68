//! The self-audit: verifying a live sale again and again while it is being sold.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::live_sale::LiveSale;
use super::ports::StoreError;
use super::shop::Shop;
use super::verify::Findings;

/// How far the audit of a sale has got on the instance whose part it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audited {
    /// When the last audit ended that came to a result; before the first, since when audits are made.
    pub at: DateTime<Utc>,
    /// What it found.
    pub findings: Option<Findings>,
}

/// The audit of a sale is this instance's part for as long as this lives. Once it is not, its results are out of date.
#[derive(Debug)]
pub struct Auditing(Arc<LiveSale>);

impl Auditing {
    /// Takes on the audit of a sale.
    pub fn of(sale: Arc<LiveSale>, now: DateTime<Utc>) -> Self {
        sale.audited.store(Some(Audited { at: now, findings: None }.into()));
        Auditing(sale)
    }
}

impl Drop for Auditing {
    fn drop(&mut self) {
        self.0.audited.store(None);
    }
}

impl Shop {
    /// Verifies a live sale and keeps the result with it. Nothing is found, and `None` returned, where Redis has
    /// forgotten or recovery is or was at work: a sale that is to be restored differs from PostgreSQL without being
    /// wrong.
    pub async fn audit(&self, auditing: &Auditing) -> Result<Option<Findings>, StoreError> {
        let Auditing(sale) = auditing;
        let _turn = self.auditing.acquire().await;
        let epoch = self.epoch()?;
        let findings = self.verify(&sale.sale()).await?;
        if !findings.is_sound() {
            self.check_redis().await?;
        }
        if self.fence.epoch() != Some(epoch) || self.archive.epoch().await? != epoch {
            return Ok(None);
        }
        sale.audited.store(Some(Audited { at: self.clock.now(), findings: Some(findings) }.into()));
        Ok(Some(findings))
    }
}

#[cfg(test)]
mod tests {
    use crate::application::live_sale::sample;

    use super::*;

    #[test]
    fn who_no_longer_audits_shows_nothing() {
        let (sale, since) = (Arc::new(sample(1)), Utc::now());
        let auditing = Auditing::of(sale.clone(), since);
        assert_eq!(sale.audited.load_full().as_deref(), Some(&Audited { at: since, findings: None }));
        drop(auditing);
        assert!(sale.audited.load_full().is_none());
    }
}
