//! Reading the state of a sale in Redis, page by page.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use redis::Value;

use crate::application::sale::ports::{HoldingKind, Inspector, ScanPage, ScanPosition};
use crate::application::shared::StoreError;
use crate::domain::sale::{Holdings, Sale};
use crate::domain::shared::limits::{ITEM_STOCK_MAX, USER_UNITS_MAX};
use crate::domain::shared::{LedgerId, Ordinal, SaleId};

use super::connection::RedisStore;
use super::keys::{Part, SaleKeys};
use super::ledger::entries;
use super::lifecycle::header;
use super::text::{parse_taken, taken_among};

/// Fields of one command. Redis reads or writes them in about 0.1 ms.
pub(super) const FIELDS_MAX: usize = 250;

/// Fields of one page of a scan: 0.2 ms in a hash of 200,000. A page may have a few more.
const SCAN_COUNT: usize = 200;

#[async_trait]
impl Inspector for RedisStore {
    async fn has_state(&self, sale: SaleId) -> Result<bool, StoreError> {
        let mut command = redis::cmd("HEXISTS");
        command.arg(SaleKeys::of(sale).key(Part::Header)).arg("epoch");
        self.query(&command).await
    }

    async fn decides_as(&self, sale: &Sale) -> Result<bool, StoreError> {
        let keys = SaleKeys::of(sale.id);
        let mut pipeline = redis::pipe();
        pipeline.cmd("HMGET").arg(keys.key(Part::Header)).arg(&["starts_at_ms", "ends_at_ms", "user_limit", "last_id"]);
        pipeline.cmd("XREVRANGE").arg(keys.key(Part::Ledger)).arg(&["+", "-", "COUNT", "1"]);
        let (fields, end): (Vec<Option<String>>, Value) = self.pipeline(&pipeline).await?;
        let Some((last, _)) = entries(end)?.pop() else { return Ok(false) };
        let [starts_at_ms, ends_at_ms, user_limit] = header(sale);
        Ok(fields == [starts_at_ms, ends_at_ms, user_limit, last.to_string()].map(Some))
    }

    async fn held(&self, sale: SaleId, of: &Holdings) -> Result<Holdings, StoreError> {
        let keys = SaleKeys::of(sale);
        let units = self.fields(keys.key(Part::Units), of.units.keys().map(Ordinal::to_string)).await?;
        let slots = self.fields(keys.key(Part::Slots), of.slots.keys().map(ToString::to_string)).await?;
        let receipts = self.fields(keys.key(Part::Receipts), of.receipts.keys().map(ToString::to_string)).await?;
        let requests = of.requests.keys().map(|(user, request)| format!("{user} {request}"));
        let requests = self.fields(keys.key(Part::Receipts), requests).await?;
        let released = of.released.keys().map(LedgerId::to_string);
        let released = self.fields(keys.key(Part::Released), released).await?;
        Ok(Holdings {
            units: numbers_held(&of.units, units),
            slots: numbers_held(&of.slots, slots),
            receipts: ids_held(&of.receipts, receipts),
            requests: ids_held(&of.requests, requests),
            released: ids_held(&of.released, released),
        })
    }

    async fn scan(&self, sale: SaleId, from: ScanPosition) -> Result<ScanPage, StoreError> {
        let part = match from.kind {
            HoldingKind::Units => Part::Units,
            HoldingKind::Slots => Part::Slots,
            HoldingKind::Receipts => Part::Receipts,
            HoldingKind::Released => Part::Released,
        };
        let mut command = redis::cmd("HSCAN");
        command.arg(SaleKeys::of(sale).key(part)).arg(from.cursor).arg("COUNT").arg(SCAN_COUNT);
        let (cursor, fields): (u64, Vec<(Vec<u8>, Vec<u8>)>) = self.query(&command).await?;
        let next = if cursor == 0 { from.next_kind() } else { Some(ScanPosition { cursor, ..from }) };
        let mut page = ScanPage { next, ..ScanPage::default() };
        for (name, value) in fields {
            let texts = str::from_utf8(&name).ok().zip(str::from_utf8(&value).ok());
            let added = texts.and_then(|(name, value)| add(&mut page.holdings, from.kind, name, value));
            page.unreadable += u64::from(added.is_none());
        }
        Ok(page)
    }
}

impl RedisStore {
    /// Reads fields of a hash, in pages.
    async fn fields(
        &self,
        key: String,
        names: impl Iterator<Item = String>,
    ) -> Result<Vec<Option<String>>, StoreError> {
        let mut values = Vec::new();
        for names in names.collect::<Vec<String>>().chunks(FIELDS_MAX) {
            let mut command = redis::cmd("HMGET");
            command.arg(&key).arg(names);
            values.append(&mut self.query(&command).await?);
        }
        Ok(values)
    }
}

/// Adds a field to the holdings. Returns `None` if it cannot be read.
fn add(holdings: &mut Holdings, kind: HoldingKind, name: &str, value: &str) -> Option<()> {
    match kind {
        HoldingKind::Units => {
            let item = Ordinal::try_from(name.parse::<u32>().ok()?).ok()?;
            holdings.units.insert(item, parse_taken(value, ITEM_STOCK_MAX)?);
        }
        HoldingKind::Slots => {
            holdings.slots.insert(name.parse().ok()?, parse_taken(value, USER_UNITS_MAX)?);
        }
        HoldingKind::Receipts => {
            let id = value.parse().ok()?;
            match name.split_once(' ') {
                None => _ = holdings.receipts.insert(name.parse().ok()?, id),
                Some((user, request)) => {
                    holdings.requests.insert((user.parse().ok()?, request.parse().ok()?), id);
                }
            }
        }
        HoldingKind::Released => _ = holdings.released.insert(name.parse().ok()?, value.parse().ok()?),
    }
    Some(())
}

fn numbers_held<K: Ord + Clone>(
    of: &BTreeMap<K, BTreeSet<u32>>,
    values: Vec<Option<String>>,
) -> BTreeMap<K, BTreeSet<u32>> {
    let held = |((key, of), value): ((&K, &BTreeSet<u32>), Option<String>)| {
        let among = taken_among(&value?, of)?;
        (!among.is_empty()).then(|| (key.clone(), among))
    };
    of.iter().zip(values).filter_map(held).collect()
}

fn ids_held<K: Ord + Clone>(of: &BTreeMap<K, LedgerId>, values: Vec<Option<String>>) -> BTreeMap<K, LedgerId> {
    of.keys().zip(values).filter_map(|(key, value)| Some((key.clone(), value?.parse().ok()?))).collect()
}
