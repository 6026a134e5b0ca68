//! The self-audit: verifying a live sale again and again while it is being sold.

use chrono::{DateTime, Utc};

use super::live_sale::LiveSale;
use super::ports::StoreError;
use super::shop::Shop;
use super::verify::Findings;

/// What an audit found, and when it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audited {
    pub findings: Findings,
    pub at: DateTime<Utc>,
}

impl Shop {
    /// Verifies a live sale and keeps the result with it. Nothing is found, and `None` returned, where recovery is
    /// or was at work meanwhile: a sale that is being restored differs from PostgreSQL without being wrong.
    pub async fn audit(&self, sale: &LiveSale) -> Result<Option<Findings>, StoreError> {
        let epoch = self.epoch()?;
        let findings = self.verify(&sale.sale()).await?;
        if self.fence.epoch() != Some(epoch) || self.archive.epoch().await? != epoch {
            return Ok(None);
        }
        sale.audited.store(Some(Audited { findings, at: self.clock.now() }.into()));
        Ok(Some(findings))
    }
}
