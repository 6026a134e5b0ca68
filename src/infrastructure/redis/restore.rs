//! Checking and restoring the state of a sale in Redis.

use async_trait::async_trait;
use redis::Value;
use serde_json::json;

use crate::application::sale::ports::{Restorer, StoredSale};
use crate::application::shared::StoreError;
use crate::domain::sale::{LedgerEntry, LedgerEvent, Purchase, Release, Stock};
use crate::domain::shared::{Epoch, LedgerId, SaleId};
use crate::sabotage::{Sabotage, is_on};

use super::connection::{RedisStore, store_error};
use super::inspect::FIELDS_MAX;
use super::keys::{Part, SaleKeys};
use super::ledger::entries;
use super::lifecycle::header;
use super::reply::{Reply, text};
use super::scripts::witness_hash;
use super::text::{parse_entries, print_sold, print_taken, release_words};

/// Purchases or releases that are restored in one round trip, which takes Redis a fraction of a millisecond.
const PURCHASES_MAX: usize = 64;

const FENCE_SALE: &str = include_str!("lua/fence_sale.lua");
const RESTORE_SALE: &str = include_str!("lua/restore_sale.lua");

#[async_trait]
impl Restorer for RedisStore {
    async fn stored(&self, epoch: Epoch, sale: SaleId, archived: LedgerId) -> Result<StoredSale, StoreError> {
        let (keys, scripts) = (SaleKeys::of(sale), self.scripts(epoch));
        let mut pipeline = redis::pipe();
        pipeline.cmd("SCRIPT").arg("EXISTS").arg(scripts.all_hashes().collect::<Vec<_>>());
        pipeline.cmd("INFO").arg("replication");
        let fields = ["epoch", "history", "starts_at_ms", "ends_at_ms", "user_limit", "last_id"];
        pipeline.cmd("HMGET").arg(keys.key(Part::Header)).arg(&fields);
        pipeline.cmd("EXISTS").arg(keys.key(Part::Ledger));
        // The id of a stream entry is that of its last purchase.
        pipeline.cmd("XRANGE").arg(keys.key(Part::Ledger)).arg(archived.to_string()).arg("+").arg("COUNT").arg(1);
        let (loaded, replication, header, has_ledger, found): (Vec<bool>, String, Vec<Option<String>>, bool, Value) =
            self.pipeline(&pipeline).await?;
        let is_complete = header.iter().all(Option::is_some);
        let mut fields = header.into_iter().map(|field| field.filter(|_| is_complete));
        let (held, begun_in) = (fields.next().flatten(), fields.next().flatten());
        let held = held.and_then(|held| held.parse().ok()).map(Epoch);
        let knows_scripts = match held {
            Some(held) if held != epoch => self.has_script(&witness_hash(held)).await?,
            _ => loaded.into_iter().all(|loaded| loaded || is_on(Sabotage::ReloadScripts)),
        };
        let is_remembered = knows_scripts && begun_in == Some(history(&replication)?);
        let found = entries(found)?;
        let mut found = found.iter().flat_map(|(last, fields)| parse_entries(*last, fields));
        let has_archived = has_ledger && (archived == LedgerId::ZERO || found.any(|entry| entry.id == archived));
        Ok(StoredSale { epoch: held, is_remembered, has_archived })
    }

    async fn history(&self) -> Result<String, StoreError> {
        let mut command = redis::cmd("INFO");
        command.arg("replication");
        history(&self.query::<String>(&command).await?)
    }

    async fn fence(&self, epoch: Epoch, sale: SaleId) -> Result<(), StoreError> {
        let mut command = redis::cmd("EVAL");
        command.arg(FENCE_SALE).arg(1).arg(SaleKeys::of(sale).key(Part::Header)).arg(epoch.to_string());
        Reply::new(text(self.query(&command).await?)?)?.expect_ok()
    }

    async fn restore(
        &self,
        epoch: Epoch,
        stock: &Stock,
        persisted: LedgerId,
        attempts: LedgerId,
    ) -> Result<(), StoreError> {
        let restoring = Restoring { store: self, epoch, sale: stock.sale.id };
        restoring.begin(attempts).await?;
        let entries = stock.entries();
        restoring.entries(&entries).await?;
        let slots = stock.holdings.slots.iter().map(|(user, slots)| (user.to_string(), print_taken(slots)));
        restoring.fields(Part::Slots, slots).await?;
        let units = stock.holdings.units.iter().map(|(item, units)| (item.to_string(), print_taken(units)));
        restoring.fields(Part::Units, units).await?;
        restoring.end(stock, entries.last().map_or(OPENED_ID, |entry| entry.id), persisted).await
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
        if !is_on(Sabotage::ReloadScripts) && !self.has_script(scripts.witness_hash()).await? {
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

/// Returns the name of the history that this Redis writes, by its section `replication` of `INFO`. It changes when Redis
/// restarts, when a replica becomes the primary, and when the first replica connects. Fails with [`StoreError::Busy`] if
/// this is a replica.
fn history(replication: &str) -> Result<String, StoreError> {
    let field = |name: &str| replication.lines().find_map(|line| line.strip_prefix(name));
    match (field("role:"), field("master_replid:")) {
        (Some("master"), Some(id)) => Ok(id.to_owned()),
        (Some("slave"), _) => Err(StoreError::Busy("this Redis is a replica")),
        _ => Err(StoreError::corrupt(replication)),
    }
}

impl RedisStore {
    async fn has_script(&self, hash: &str) -> Result<bool, StoreError> {
        let mut command = redis::cmd("SCRIPT");
        command.arg("EXISTS").arg(hash);
        let (exists,): (bool,) = self.query(&command).await?;
        Ok(exists)
    }
}

/// A sale that is being restored. Every write fails with [`StoreError::Fenced`] once somebody restores it in a newer epoch.
struct Restoring<'a> {
    store: &'a RedisStore,
    epoch: Epoch,
    sale: SaleId,
}

impl Restoring<'_> {
    /// Empties the sale but leaves a ledger, so that nobody takes it for one that was never opened. Carts and waiting
    /// attempts stay; later attempts get ids above the archived ones.
    async fn begin(&self, attempts: LedgerId) -> Result<(), StoreError> {
        let emptied = [Part::Units, Part::Slots, Part::Receipts, Part::Released, Part::Ledger];
        let mut writes: Vec<Write> = emptied.map(|part| Write::new("UNLINK", part, [])).into();
        writes.push(Write::new("XADD", Part::Ledger, [OPENED_ID.to_string(), "opened".into(), "0".into()]));
        self.write(&writes).await?;
        self.raise_attempt_ids(attempts).await
    }

    /// Gives later attempts ids above this one. A stream whose ids are higher already stays as it is.
    async fn raise_attempt_ids(&self, archived: LedgerId) -> Result<(), StoreError> {
        let mut command = redis::cmd("XADD");
        command.arg(SaleKeys::of(self.sale).key(Part::Attempts)).arg("MAXLEN").arg(0);
        command.arg(archived.next().to_string()).arg(&[("-", "-")]);
        match self.store.control.query::<Value>(&command).await {
            Ok(_) => Ok(()),
            Err(error) if error.to_string().contains(IDS_ARE_HIGHER) => Ok(()),
            Err(error) => Err(store_error(error)),
        }
    }

    /// Writes purchases and releases as the scripts did, in pages.
    async fn entries(&self, entries: &[LedgerEntry]) -> Result<(), StoreError> {
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
            self.write(&writes_of_purchases(&purchases)).await?;
            self.write(&writes_of_releases(&releases)).await?;
        }
        Ok(())
    }

    /// Writes fields of a hash, in pages.
    async fn fields(&self, part: Part, fields: impl Iterator<Item = (String, String)>) -> Result<(), StoreError> {
        for page in fields.collect::<Vec<_>>().chunks(FIELDS_MAX) {
            let page = page.iter().flat_map(|(name, value)| [name.clone(), value.clone()]);
            self.write(&[Write::new("HSET", part, page)]).await?;
        }
        Ok(())
    }

    /// Writes the header, with which the sale can be decided.
    async fn end(&self, stock: &Stock, last: LedgerId, persisted: LedgerId) -> Result<(), StoreError> {
        let mut writes = Vec::new();
        if persisted > last {
            // The last archived entry is not restored. A placeholder gives later entries higher ids and lets the
            // ledger reach as far as the archive.
            let entry = [persisted.to_string(), "opened".to_owned(), self.epoch.to_string()];
            writes.push(Write::new("XADD", Part::Ledger, entry));
        }
        let history = self.store.history().await?;
        let [starts_at_ms, ends_at_ms, user_limit] = header(&stock.sale);
        let last_id = last.max(persisted).to_string();
        let fields = [
            ["epoch".to_owned(), self.epoch.to_string()],
            ["history".to_owned(), history],
            ["starts_at_ms".to_owned(), starts_at_ms],
            ["ends_at_ms".to_owned(), ends_at_ms],
            ["user_limit".to_owned(), user_limit],
            ["last_id".to_owned(), last_id],
        ];
        writes.push(Write::new("HSET", Part::Header, fields.into_iter().flatten()));
        writes.push(Write::new("HDEL", Part::Header, ["restoring".to_owned()]));
        self.write(&writes).await
    }

    /// Makes writes, all or none.
    async fn write(&self, writes: &[Write]) -> Result<(), StoreError> {
        if writes.is_empty() {
            return Ok(());
        }
        let keys = SaleKeys::of(self.sale);
        let mut command = redis::cmd("EVAL");
        command.arg(RESTORE_SALE).arg(Part::ALL.len()).arg(Part::ALL.map(|part| keys.key(part)).as_slice());
        command.arg(self.epoch.to_string());
        command.arg(serde_json::Value::from_iter(writes.iter().map(|write| write.0.clone())).to_string());
        Reply::new(text(self.store.query(&command).await?)?)?.expect_ok()
    }
}

/// A command of [`RESTORE_SALE`].
struct Write(serde_json::Value);

impl Write {
    fn new(command: &str, part: Part, args: impl IntoIterator<Item = String>) -> Self {
        let key = Part::ALL.iter().position(|other| *other == part).map_or(0, |index| index + 1);
        let head = [json!(command), json!(key)];
        Write(head.into_iter().chain(args.into_iter().map(serde_json::Value::from)).collect())
    }
}

/// A cart that survived its own purchase is deleted.
fn writes_of_purchases(purchases: &[(LedgerId, &Purchase)]) -> Vec<Write> {
    let Some((last, _)) = purchases.last() else { return Vec::new() };
    let lines: Vec<String> = purchases.iter().map(|(id, purchase)| print_sold(*id, purchase)).collect();
    let codes = purchases.iter().map(|(_, purchase)| purchase.code.to_string());
    let mut receipts = Vec::new();
    for (id, purchase) in purchases {
        receipts.extend([purchase.code.to_string(), id.to_string()]);
        if let Some(request) = &purchase.request {
            receipts.extend([format!("{} {request}", purchase.user), id.to_string()]);
        }
    }
    vec![
        Write::new("XADD", Part::Ledger, [last.to_string(), "sold".to_owned(), lines.join("\n")]),
        Write::new("HSET", Part::Receipts, receipts),
        Write::new("HDEL", Part::Carts, codes.clone()),
        Write::new("HDEL", Part::IdleCarts, codes),
    ]
}

fn writes_of_releases(releases: &[(LedgerId, &Release)]) -> Vec<Write> {
    let writes = releases.iter().flat_map(|(id, release)| {
        let entry = [id.to_string(), "released".to_owned(), release_words(release).join(" ")];
        let released = [release.purchase.to_string(), id.to_string()];
        [Write::new("XADD", Part::Ledger, entry), Write::new("HSET", Part::Released, released)]
    });
    writes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_primary_writes_a_history_and_a_replica_none() {
        let of_primary = history("# Replication\r\nrole:master\r\nmaster_replid:a\r\n");
        assert_eq!(of_primary.unwrap(), "a");
        assert!(matches!(history("role:slave\r\nmaster_replid:a\r\n"), Err(StoreError::Busy(_))));
    }
}
