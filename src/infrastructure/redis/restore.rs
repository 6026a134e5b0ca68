//! Checking and restoring the state of a sale in Redis.

use async_trait::async_trait;
use redis::Value;

use crate::application::sale::ports::Restorer;
use crate::application::shared::StoreError;
use crate::domain::sale::{LedgerEntry, LedgerEvent, Purchase, Release, Stock};
use crate::domain::shared::{Epoch, LedgerId, SaleId};

use super::connection::{RedisStore, store_error};
use super::history::Replication;
use super::inspect::FIELDS_MAX;
use super::keys::{Part, SaleKeys};
use super::ledger::entries;
use super::lifecycle::header;
use super::text::{parse_entries, print_sold, print_taken, release_words};

/// Purchases or releases that are restored in one round trip, which takes Redis a fraction of a millisecond.
const PURCHASES_MAX: usize = 64;

#[async_trait]
impl Restorer for RedisStore {
    async fn is_intact(&self, epoch: Epoch, sales: &[(SaleId, LedgerId)]) -> Result<bool, StoreError> {
        let scripts = self.scripts(epoch);
        let mut pipeline = redis::pipe();
        pipeline.cmd("SCRIPT").arg("EXISTS").arg(scripts.all_hashes().collect::<Vec<_>>());
        pipeline.cmd("INFO").arg("replication");
        let (loaded, replication): (Vec<bool>, String) = self.pipeline(&pipeline).await?;
        if !loaded.iter().all(|loaded| *loaded) || !self.history.is_of(epoch, &Replication::read(&replication)?) {
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
        let mut command = redis::cmd("UNLINK");
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
        let entries = stock.entries();
        self.restore_entries(&keys, &entries).await?;
        let slots = stock.holdings.slots.iter().map(|(user, slots)| (user.to_string(), print_taken(slots)));
        self.restore_fields(keys.key(Part::Slots), slots).await?;
        let units = stock.holdings.units.iter().map(|(item, units)| (item.to_string(), print_taken(units)));
        self.restore_fields(keys.key(Part::Units), units).await?;
        let [starts_at_ms, ends_at_ms, user_limit] = header(&stock.sale);
        let last = entries.last().map_or(OPENED_ID, |entry| entry.id);
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
        pipeline.cmd("INFO").arg("replication");
        let (replication,): (String,) = self.pipeline(&pipeline).await?;
        self.history.begin(epoch, &Replication::read(&replication)?);
        Ok(())
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
        pipeline.cmd("EXISTS").arg(keys.key(Part::Ledger));
        // The id of a stream entry is that of its last purchase.
        pipeline.cmd("XRANGE").arg(keys.key(Part::Ledger)).arg(archived.to_string()).arg("+").arg("COUNT").arg(1);
        let (held, has_ledger, found): (Option<String>, bool, Value) = self.pipeline(&pipeline).await?;
        let found = entries(found)?;
        let mut found = found.iter().flat_map(|(last, fields)| parse_entries(*last, fields));
        let has_archived = archived == LedgerId::ZERO || found.any(|entry| entry.id == archived);
        Ok(held == Some(epoch.to_string()) && has_ledger && has_archived)
    }

    /// Empties the sale but leaves a ledger, so that nobody takes it for one that was never opened. Carts and waiting
    /// attempts stay; later attempts get ids above the archived ones.
    async fn begin_restoring(&self, keys: &SaleKeys, attempts: LedgerId) -> Result<(), StoreError> {
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        for part in [Part::Header, Part::Units, Part::Slots, Part::Receipts, Part::Released, Part::Ledger] {
            pipeline.cmd("UNLINK").arg(keys.key(part)).ignore();
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
        match self.control.query::<Value>(&command).await {
            Ok(_) => Ok(()),
            Err(error) if error.to_string().contains(IDS_ARE_HIGHER) => Ok(()),
            Err(error) => Err(store_error(error)),
        }
    }

    /// Writes purchases and releases as the scripts did, in pages.
    async fn restore_entries(&self, keys: &SaleKeys, entries: &[LedgerEntry]) -> Result<(), StoreError> {
        let is_sold = |entry: &LedgerEntry| matches!(entry.event, LedgerEvent::Sold(_));
        let runs = entries.chunk_by(|one, next| is_sold(one) == is_sold(next));
        for page in runs.flat_map(|run| run.chunks(PURCHASES_MAX)) {
            let (mut purchases, mut releases) = (Vec::new(), Vec::new());
            for entry in page {
                match &entry.event {
                    LedgerEvent::Sold(purchase) => purchases.push((entry.id, purchase)),
                    LedgerEvent::Released(release) => releases.push((entry.id, release)),
                    LedgerEvent::Opened | LedgerEvent::Unreadable(_) => {}
                }
            }
            self.restore_purchases(keys, &purchases).await?;
            self.restore_releases(keys, &releases).await?;
        }
        Ok(())
    }

    async fn restore_releases(&self, keys: &SaleKeys, releases: &[(LedgerId, &Release)]) -> Result<(), StoreError> {
        let mut pipeline = redis::pipe();
        for (id, release) in releases {
            let entry = &[("released", release_words(release).join(" "))];
            pipeline.cmd("XADD").arg(keys.key(Part::Ledger)).arg(id.to_string()).arg(entry).ignore();
            let fields = &[(release.purchase.to_string(), id.to_string())];
            pipeline.cmd("HSET").arg(keys.key(Part::Released)).arg(fields).ignore();
        }
        if releases.is_empty() { Ok(()) } else { self.pipeline(&pipeline).await }
    }

    /// A cart that survived its own purchase is deleted.
    async fn restore_purchases(&self, keys: &SaleKeys, purchases: &[(LedgerId, &Purchase)]) -> Result<(), StoreError> {
        let Some((last, _)) = purchases.last() else { return Ok(()) };
        let lines: Vec<String> = purchases.iter().map(|(id, purchase)| print_sold(*id, purchase)).collect();
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
        for part in [Part::Carts, Part::IdleCarts] {
            pipeline.cmd("HDEL").arg(keys.key(part)).arg(&codes).ignore();
        }
        self.pipeline(&pipeline).await
    }

    /// Writes fields of a hash, in pages.
    async fn restore_fields(
        &self,
        key: String,
        fields: impl Iterator<Item = (String, String)>,
    ) -> Result<(), StoreError> {
        for fields in fields.collect::<Vec<_>>().chunks(FIELDS_MAX) {
            let mut command = redis::cmd("HSET");
            command.arg(&key).arg(fields);
            self.query::<i64>(&command).await?;
        }
        Ok(())
    }
}
