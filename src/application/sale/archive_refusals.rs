//! Archiving the counts of refused checkouts.

use crate::application::shared::StoreError;

use super::shop::Shop;

impl Shop {
    /// Archives the counts since the last call.
    pub async fn archive_refusals(&self) -> Result<(), StoreError> {
        let counts = self.refusals.take();
        if counts.is_empty() {
            return Ok(());
        }
        self.archive.add_refusals(&counts).await.inspect_err(|_| self.refusals.give_back(counts))
    }
}
