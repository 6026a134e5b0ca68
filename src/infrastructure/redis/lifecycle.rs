//! The life of a sale in Redis.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::application::sale::ports::{Lifecycle, Probe};
use crate::application::shared::StoreError;
use crate::domain::sale::{Sale, Stock};
use crate::domain::shared::{Epoch, SaleId};

use super::connection::RedisStore;
use super::keys::{Part, SaleKeys};
use super::scripts::ScriptName;

#[async_trait]
impl Lifecycle for RedisStore {
    async fn now(&self) -> Result<DateTime<Utc>, StoreError> {
        let (seconds, microseconds): (i64, u32) = self.query(&redis::cmd("TIME")).await?;
        DateTime::from_timestamp(seconds, microseconds * 1_000)
            .ok_or_else(|| StoreError::corrupt((seconds, microseconds)))
    }

    async fn open(&self, epoch: Epoch, stock: &Stock) -> Result<(), StoreError> {
        let header = header(&stock.sale);
        self.run(epoch, stock.sale.id, ScriptName::OpenSale, &header.each_ref().map(String::as_str)).await?.expect_ok()
    }

    async fn end(&self, epoch: Epoch, sale: SaleId, ends_at: DateTime<Utc>) -> Result<(), StoreError> {
        let ends_at_ms = ends_at.timestamp_millis().to_string();
        self.run(epoch, sale, ScriptName::EndSale, &[&ends_at_ms]).await?.expect_ok()
    }

    async fn retire(&self, sale: SaleId, expires_at: DateTime<Utc>) -> Result<(), StoreError> {
        let keys = SaleKeys::of(sale);
        let mut pipeline = redis::pipe();
        for part in Part::ALL {
            pipeline.cmd("EXPIREAT").arg(keys.key(part)).arg(expires_at.timestamp()).ignore();
        }
        self.pipeline(&pipeline).await
    }
}

#[async_trait]
impl Probe for RedisStore {
    async fn ping(&self) -> Result<(), StoreError> {
        self.query(&redis::cmd("PING")).await
    }
}

/// The fields of the header that never depend on the epoch: `starts_at_ms`, `ends_at_ms`, `user_limit`.
pub(super) fn header(sale: &Sale) -> [String; 3] {
    let ms = |time: DateTime<Utc>| time.timestamp_millis().to_string();
    [ms(sale.window.starts_at), ms(sale.window.ends_at), sale.user_limit.to_string()]
}
