//! The life of a sale in Redis.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use crate::application::sale::ports::{Lifecycle, Probe, Restorer};
use crate::application::shared::StoreError;
use crate::domain::sale::{Sale, Stock};
use crate::domain::shared::{Epoch, SaleId};

use super::connection::RedisStore;
use super::groups::Call;
use super::keys::{Part, RETIRED_SALES, SaleKeys};
use super::scripts::ScriptName;

/// Sales that are dropped in one call.
const DROPS_MAX: usize = 4;

/// Time after which the state of a retired sale expires by itself because no instance has dropped it.
const UNATTENDED: TimeDelta = TimeDelta::days(1);

#[async_trait]
impl Lifecycle for RedisStore {
    async fn now(&self) -> Result<DateTime<Utc>, StoreError> {
        let (seconds, microseconds): (i64, u32) = self.query(&redis::cmd("TIME")).await?;
        DateTime::from_timestamp(seconds, microseconds * 1_000)
            .ok_or_else(|| StoreError::corrupt((seconds, microseconds)))
    }

    async fn open(&self, epoch: Epoch, stock: &Stock) -> Result<(), StoreError> {
        let [starts_at_ms, ends_at_ms, user_limit] = &header(&stock.sale);
        let call = Call { epoch, sale: stock.sale.id, script: ScriptName::OpenSale };
        let args = [starts_at_ms, ends_at_ms, user_limit, &self.history().await?];
        self.run(&self.control, call, &args.map(String::as_str)).await?.expect_ok()
    }

    async fn end(&self, epoch: Epoch, sale: SaleId, ends_at: DateTime<Utc>) -> Result<(), StoreError> {
        let ends_at_ms = ends_at.timestamp_millis().to_string();
        let call = Call { epoch, sale, script: ScriptName::EndSale };
        self.run(&self.control, call, &[&ends_at_ms]).await?.expect_ok()
    }

    async fn seal(&self, epoch: Epoch, sale: SaleId) -> Result<(), StoreError> {
        let call = Call { epoch, sale, script: ScriptName::SealSale };
        self.run(&self.control, call, &[]).await?.expect_ok()
    }

    async fn forget_idle_carts(&self, epoch: Epoch, sale: &Sale, idle: Duration, crowd: u32) -> Result<(), StoreError> {
        let keys = SaleKeys::of(sale.id);
        let mut pipeline = redis::pipe();
        pipeline.cmd("TIME").cmd("GET").arg(keys.key(Part::CartsSince)).cmd("HLEN").arg(keys.key(Part::Codes));
        let ((now, _), since, users): ((i64, i64), Option<i64>, u32) = self.pipeline(&pipeline).await?;
        let since = since.unwrap_or_else(|| sale.window.starts_at.timestamp_millis());
        // Mostly nothing is due. The script checks again, because another instance may have been faster.
        let idle_ms = i64::try_from(idle.as_millis()).unwrap_or(i64::MAX);
        if (now + 1) * 1_000 - since < idle_ms && users < crowd {
            return Ok(());
        }
        let call = Call { epoch, sale: sale.id, script: ScriptName::ForgetIdleCarts };
        self.run(&self.control, call, &[&idle_ms.to_string(), &crowd.to_string()]).await?.expect_ok()
    }

    async fn retire(&self, sale: SaleId, expires_at: DateTime<Utc>) -> Result<(), StoreError> {
        let keys = SaleKeys::of(sale);
        let mut pipeline = redis::pipe();
        pipeline.cmd("ZADD").arg(RETIRED_SALES).arg(expires_at.timestamp()).arg(sale.to_string()).ignore();
        let carts = [Part::Carts, Part::Codes, Part::IdleCarts, Part::IdleCodes];
        pipeline.cmd("UNLINK").arg(carts.map(|part| keys.key(part)).as_slice()).ignore();
        let backstop = (expires_at + UNATTENDED).timestamp();
        for part in Part::ALL {
            pipeline.cmd("EXPIREAT").arg(keys.key(part)).arg(backstop).ignore();
        }
        self.pipeline(&pipeline).await
    }

    async fn drop_retired(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        let mut command = redis::cmd("ZRANGEBYSCORE");
        command.arg(RETIRED_SALES).arg("-inf").arg(now.timestamp()).arg("LIMIT").arg(0).arg(DROPS_MAX);
        for name in self.query::<Vec<String>>(&command).await? {
            let keys = SaleKeys::of(name.parse().map_err(|_| StoreError::corrupt(&name))?);
            let mut pipeline = redis::pipe();
            // UNLINK frees memory in the background. DEL and an expiry free a large key at once, while Redis stands
            // still.
            pipeline.cmd("UNLINK").arg(Part::ALL.map(|part| keys.key(part)).as_slice()).ignore();
            pipeline.cmd("ZREM").arg(RETIRED_SALES).arg(&name).ignore();
            self.pipeline::<()>(&pipeline).await?;
        }
        Ok(())
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
