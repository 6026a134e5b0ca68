//! Checking and restoring the state of a sale in Redis.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use redis::{Pipeline, Value};

use crate::application::sale::ports::{Restorer, Snapshot};
use crate::application::shared::StoreError;
use crate::domain::sale::{Holdings, Purchase, Stock};
use crate::domain::shared::{Epoch, LedgerId, Ordinal, SaleId};

use super::connection::{RedisStore, store_error};
use super::keys::{Part, SaleKeys};
use super::ledger::entries;
use super::lifecycle::header;
use super::text::{parse_entries, parse_taken, print_sold, print_taken};

/// Longest time to read the snapshot of a large sale.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(30);

/// Commands sent together while a sale is restored: enough to be quick, few enough to leave Redis to other sales.
const RESTORE_CHUNK: usize = 500;

#[async_trait]
impl Restorer for RedisStore {
    async fn is_intact(&self, epoch: Epoch, sales: &[(SaleId, LedgerId)]) -> Result<bool, StoreError> {
        let scripts = self.scripts(epoch);
        let mut pipeline = redis::pipe();
        pipeline.cmd("SCRIPT").arg("EXISTS").arg(scripts.all_hashes().collect::<Vec<_>>());
        let (loaded,): (Vec<bool>,) = self.pipeline(&pipeline).await?;
        if !loaded.iter().all(|loaded| *loaded) {
            return Ok(false);
        }
        for (sale, archived) in sales {
            if !self.is_intact_sale(epoch, *sale, *archived).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn fence(&self, sale: SaleId) -> Result<(), StoreError> {
        let mut command = redis::cmd("DEL");
        command.arg(SaleKeys::of(sale).key(Part::Header));
        self.query::<i64>(&command).await.map(|_deleted| ())
    }

    async fn restore(
        &self,
        epoch: Epoch,
        stock: &Stock,
        persisted: LedgerId,
        attempts: LedgerId,
    ) -> Result<(), StoreError> {
        let keys = SaleKeys::of(stock.sale.id);
        self.begin_restoring(&keys, attempts).await?;
        let purchases: Vec<(&LedgerId, &Purchase)> = stock.purchases.iter().collect();
        for chunk in purchases.chunks(RESTORE_CHUNK) {
            self.restore_purchases(&keys, chunk).await?;
        }
        for pipeline in restoring(&keys, &stock.holdings) {
            self.pipeline::<()>(&pipeline).await?;
        }
        let [starts_at_ms, ends_at_ms, user_limit] = header(&stock.sale);
        let last = stock.purchases.last_key_value().map_or(OPENED_ID, |(id, _)| *id);
        let last_id = last.max(persisted).to_string();
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        if persisted > last {
            // The last archived entry is not restored. A placeholder gives later entries higher ids and lets the
            // ledger reach as far as the archive.
            let entry = &[("opened", epoch.to_string())];
            pipeline.cmd("XADD").arg(keys.key(Part::Ledger)).arg(persisted.to_string()).arg(entry).ignore();
        }
        pipeline
            .cmd("HSET")
            .arg(keys.key(Part::Header))
            .arg(&[("epoch", epoch.to_string()), ("starts_at_ms", starts_at_ms)])
            .arg(&[("ends_at_ms", ends_at_ms), ("user_limit", user_limit), ("last_id", last_id)])
            .ignore();
        self.pipeline(&pipeline).await
    }

    async fn load_scripts(&self, epoch: Epoch) -> Result<(), StoreError> {
        let scripts = self.scripts(epoch);
        let mut pipeline = redis::pipe();
        for text in scripts.texts().chain([scripts.witness()]) {
            pipeline.cmd("SCRIPT").arg("LOAD").arg(text).ignore();
        }
        self.pipeline(&pipeline).await
    }

    async fn join(&self, epoch: Epoch) -> Result<(), StoreError> {
        let scripts = self.scripts(epoch);
        let mut command = redis::cmd("SCRIPT");
        command.arg("EXISTS").arg(scripts.witness_hash());
        let (remembers,): (bool,) = self.query(&command).await?;
        if !remembers {
            return Ok(());
        }
        // If Redis loses its state right now, it loses the witness too, and this does not load it.
        let mut pipeline = redis::pipe();
        for text in scripts.texts() {
            pipeline.cmd("SCRIPT").arg("LOAD").arg(text).ignore();
        }
        self.pipeline(&pipeline).await
    }

    async fn snapshot(&self, sale: SaleId) -> Result<Option<Snapshot>, StoreError> {
        let keys = SaleKeys::of(sale);
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        pipeline.cmd("EXISTS").arg(keys.key(Part::Header));
        for part in [Part::Units, Part::Slots, Part::Receipts] {
            pipeline.cmd("HGETALL").arg(keys.key(part));
        }
        pipeline.cmd("XRANGE").arg(keys.key(Part::Ledger)).arg("-").arg("+");
        type Hash = BTreeMap<String, String>;
        let (exists, units, slots, mut receipts, ledger): (bool, Hash, Hash, Hash, Value) =
            pipeline.query_async(&mut self.dedicated(SNAPSHOT_TIMEOUT).await?).await.map_err(store_error)?;
        if !exists {
            return Ok(None);
        }
        let ledger = entries(ledger)?.iter().flat_map(|(id, fields)| parse_entries(*id, fields)).collect();
        let requests = receipts.extract_if(.., |name, _| name.contains(' ')).collect();
        let holdings = Holdings {
            units: parsed(&units, |item| Ordinal::try_from(item.parse::<u32>().ok()?).ok(), parse_taken)?,
            slots: parsed(&slots, |user| user.parse().ok(), parse_taken)?,
            receipts: parsed(&receipts, |code| code.parse().ok(), |id| id.parse().ok())?,
            requests: parsed(&requests, user_and_request, |id| id.parse().ok())?,
        };
        Ok(Some(Snapshot { holdings, ledger }))
    }
}

/// The answer of Redis to an `XADD` whose id is not above those of the stream. It has no code of its own.
const IDS_ARE_HIGHER: &str = "equal or smaller than the target stream top item";

/// The id of the entry that opens a ledger: lower than every other.
const OPENED_ID: LedgerId = LedgerId::ZERO.next();

impl RedisStore {
    async fn is_intact_sale(&self, epoch: Epoch, sale: SaleId, archived: LedgerId) -> Result<bool, StoreError> {
        let keys = SaleKeys::of(sale);
        let mut pipeline = redis::pipe();
        pipeline.cmd("HGET").arg(keys.key(Part::Header)).arg("epoch");
        pipeline.cmd("XREVRANGE").arg(keys.key(Part::Ledger)).arg("+").arg("-").arg("COUNT").arg(1);
        let (held, last): (Option<String>, Value) = self.pipeline(&pipeline).await?;
        let reached = entries(last)?.first().is_some_and(|(id, _)| *id >= archived);
        Ok(held == Some(epoch.to_string()) && reached)
    }

    /// Empties the sale but leaves a ledger, so that nobody takes it for one that was never opened. Carts and waiting
    /// attempts stay; later attempts get ids above the archived ones.
    async fn begin_restoring(&self, keys: &SaleKeys, attempts: LedgerId) -> Result<(), StoreError> {
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        for part in [Part::Header, Part::Units, Part::Slots, Part::Receipts, Part::Ledger] {
            pipeline.cmd("DEL").arg(keys.key(part)).ignore();
        }
        let opened = OPENED_ID.to_string();
        pipeline.cmd("XADD").arg(keys.key(Part::Ledger)).arg(opened).arg(&[("opened", "0")]).ignore();
        self.pipeline::<()>(&pipeline).await?;

        self.raise_attempt_ids(keys, attempts).await
    }

    /// Gives later attempts ids above this one. A stream whose ids are higher already stays as it is.
    async fn raise_attempt_ids(&self, keys: &SaleKeys, archived: LedgerId) -> Result<(), StoreError> {
        let mut command = redis::cmd("XADD");
        command.arg(keys.key(Part::Attempts)).arg("MAXLEN").arg(0).arg(archived.next().to_string()).arg(&[("-", "-")]);
        match command.query_async::<Value>(&mut self.connection.clone()).await {
            Ok(_) => Ok(()),
            Err(error) if error.to_string().contains(IDS_ARE_HIGHER) => Ok(()),
            Err(error) => Err(store_error(error)),
        }
    }

    /// Writes purchases as the scripts did. A cart that survived its own purchase is deleted.
    async fn restore_purchases(&self, keys: &SaleKeys, purchases: &[(&LedgerId, &Purchase)]) -> Result<(), StoreError> {
        let Some((last, _)) = purchases.last() else { return Ok(()) };
        let lines: Vec<String> = purchases.iter().map(|(id, purchase)| print_sold(**id, purchase)).collect();
        let codes: Vec<String> = purchases.iter().map(|(_, purchase)| purchase.code.to_string()).collect();
        let mut receipts = redis::cmd("HSET");
        receipts.arg(keys.key(Part::Receipts));
        for ((id, purchase), code) in purchases.iter().zip(&codes) {
            receipts.arg(code).arg(id.to_string());
            if let Some(request) = &purchase.request {
                receipts.arg(format!("{} {request}", purchase.user)).arg(id.to_string());
            }
        }
        let mut pipeline = redis::pipe();
        let entry = &[("sold", lines.join("\n"))];
        pipeline.cmd("XADD").arg(keys.key(Part::Ledger)).arg(last.to_string()).arg(entry).ignore();
        pipeline.add_command(receipts).ignore();
        pipeline.cmd("HDEL").arg(keys.key(Part::Carts)).arg(codes).ignore();
        self.pipeline(&pipeline).await
    }
}

/// The commands that write the slots and units of a sale, in chunks.
fn restoring(keys: &SaleKeys, holdings: &Holdings) -> Vec<Pipeline> {
    let slots = holdings.slots.iter().map(|(user, slots)| (user.to_string(), print_taken(slots)));
    let units = holdings.units.iter().map(|(ordinal, sold)| (ordinal.to_string(), print_taken(sold)));
    let mut pipelines = hash(keys.key(Part::Slots), slots);
    pipelines.extend(hash(keys.key(Part::Units), units));
    pipelines
}

fn hash(key: String, fields: impl Iterator<Item = (String, String)>) -> Vec<Pipeline> {
    let fields: Vec<(String, String)> = fields.collect();
    let pipeline = |chunk: &[(String, String)]| {
        let mut pipeline = redis::pipe();
        pipeline.cmd("HSET").arg(&key).arg(chunk).ignore();
        pipeline
    };
    fields.chunks(RESTORE_CHUNK).map(pipeline).collect()
}

fn parsed<K: Ord, V>(
    hash: &BTreeMap<String, String>,
    key: impl Fn(&str) -> Option<K>,
    value: impl Fn(&str) -> Option<V>,
) -> Result<BTreeMap<K, V>, StoreError> {
    hash.iter().map(|(k, v)| key(k).zip(value(v)).ok_or_else(|| StoreError::corrupt((k, v)))).collect()
}

fn user_and_request<U: std::str::FromStr, R: std::str::FromStr>(text: &str) -> Option<(U, R)> {
    let (user, request) = text.split_once(' ')?;
    Some((user.parse().ok()?, request.parse().ok()?))
}
