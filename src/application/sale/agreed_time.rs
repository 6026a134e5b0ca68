//! The time on which all clocks agree.

use chrono::{DateTime, Utc};

use crate::application::shared::StoreError;

use super::clock::{CLOCKS_DIFFER, Offset, certain_difference};
use super::shop::Shop;

impl Shop {
    /// Returns the time of Redis. Fails with `Busy` if another clock contradicts it.
    pub(super) async fn agreed_time(&self) -> Result<DateTime<Utc>, StoreError> {
        let (now, of_redis) = self.read(self.store.now()).await?;
        let (_, of_postgresql) = self.read(self.archive.now()).await?;
        self.clock.judge(certain_difference([of_redis, of_postgresql, Offset::default()]));
        if !self.clock.is_trusted() {
            return Err(CLOCKS_DIFFER);
        }
        self.clock.set(now);
        Ok(now)
    }

    async fn read(
        &self,
        clock: impl Future<Output = Result<DateTime<Utc>, StoreError>>,
    ) -> Result<(DateTime<Utc>, Offset), StoreError> {
        let asked = self.clock.host();
        let time = clock.await?;
        Ok((time, Offset { least: time - self.clock.host(), most: time - asked }))
    }
}
