//! The streams of a sale, and the announcements about them.

use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use redis::aio::{MultiplexedConnection, PubSub};
use redis::{Cmd, Value};
use tokio::time::timeout;

use crate::application::sale::ports::{
    Attempt, AttemptLog, Attempts, Ledger, LedgerReader, Watermark, WatermarkSubscription, Watermarks,
};
use crate::application::shared::StoreError;
use crate::domain::sale::LedgerEntry;
use crate::domain::shared::{LedgerId, SaleId};

use super::connection::{RedisStore, store_error};
use super::keys::{Part, SaleKeys, WATERMARKS_CHANNEL};
use super::link::{RESPONSE_TIMEOUT, open_blocking, open_subscription, within};
use super::reply::{text, texts};
use super::text::{parse_attempts, parse_entries, parse_watermark, print_watermark};

/// Stream entries of a ledger that one command reads. Each may record a whole group of purchases.
const ENTRIES_MAX: usize = 64;

/// Stream entries of attempts that one command reads. Each may record a whole group of checkouts.
const ATTEMPT_ENTRIES_MAX: usize = 256;

/// Time without an announcement after which a subscription is checked.
const SILENCE_MAX: Duration = Duration::from_secs(1);

#[async_trait]
impl Ledger for RedisStore {
    async fn read(&self, sale: SaleId, after: LedgerId, max: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        let entries = entries(self.query(&range(sale, Part::Ledger, after, ENTRIES_MAX.min(max))).await?)?;
        Ok(entries_after(after, max, &entries))
    }

    async fn read_one(&self, sale: SaleId, id: LedgerId) -> Result<Option<LedgerEntry>, StoreError> {
        let mut command = redis::cmd("XRANGE");
        // The id of a stream entry is that of its last purchase.
        command.arg(SaleKeys::of(sale).key(Part::Ledger)).arg(id.to_string()).arg("+").arg("COUNT").arg(1);
        let entries = entries(self.query(&command).await?)?;
        let found = entries.iter().flat_map(|(last, fields)| parse_entries(*last, fields)).find(|entry| entry.id == id);
        Ok(found)
    }

    async fn follow(&self, sale: SaleId) -> Result<Box<dyn LedgerReader>, StoreError> {
        let connection = open_blocking(&self.client).await.map_err(store_error)?;
        Ok(Box::new(StreamReader { connection, key: SaleKeys::of(sale).key(Part::Ledger) }))
    }
}

#[async_trait]
impl AttemptLog for RedisStore {
    async fn read_attempts(&self, sale: SaleId, after: LedgerId, max: usize) -> Result<Attempts, StoreError> {
        let read_max = ATTEMPT_ENTRIES_MAX.min(max);
        let entries = entries(self.query(&range(sale, Part::Attempts, after, read_max)).await?)?;
        let attempts: Vec<Option<Attempt>> =
            entries.iter().flat_map(|(id, fields)| parse_attempts(*id, fields)).collect();
        let (last, count, more) = (entries.last().map(|(id, _)| *id), attempts.len(), entries.len() == read_max);
        Ok(Attempts { readable: attempts.into_iter().flatten().collect(), last, count, more })
    }

    async fn count_attempts(&self, sale: SaleId) -> Result<usize, StoreError> {
        let mut command = redis::cmd("XLEN");
        command.arg(SaleKeys::of(sale).key(Part::Attempts));
        self.query(&command).await
    }

    async fn trim_attempts(&self, sale: SaleId, archived: LedgerId) -> Result<(), StoreError> {
        let mut command = redis::cmd("XTRIM");
        command.arg(SaleKeys::of(sale).key(Part::Attempts)).arg("MINID").arg(archived.next().to_string());
        self.query::<i64>(&command).await.map(|_trimmed| ())
    }
}

#[async_trait]
impl Watermarks for RedisStore {
    async fn announce(&self, watermark: Watermark) -> Result<(), StoreError> {
        let mut command = redis::cmd("PUBLISH");
        command.arg(WATERMARKS_CHANNEL).arg(print_watermark(&watermark));
        self.query::<i64>(&command).await.map(|_listeners| ())
    }

    async fn subscribe(&self) -> Result<Box<dyn WatermarkSubscription>, StoreError> {
        let connection = open_subscription(&self.client, WATERMARKS_CHANNEL).await.map_err(store_error)?;
        Ok(Box::new(Announcements { connection }))
    }
}

struct StreamReader {
    connection: MultiplexedConnection,
    key: String,
}

#[async_trait]
impl LedgerReader for StreamReader {
    async fn next(&mut self, after: LedgerId, max: usize, timeout: Duration) -> Result<Vec<LedgerEntry>, StoreError> {
        self.connection.set_response_timeout(timeout + RESPONSE_TIMEOUT);
        let timeout_ms = timeout.as_millis().max(1) as u64;
        let mut command = redis::cmd("XREAD");
        command
            .arg("COUNT")
            .arg(ENTRIES_MAX.min(max))
            .arg("BLOCK")
            .arg(timeout_ms)
            .arg("STREAMS")
            .arg(&self.key)
            .arg(after.to_string());
        match command.query_async(&mut self.connection).await.map_err(store_error)? {
            Value::Nil => Ok(Vec::new()),
            // One stream was asked for: [[key, entries]].
            Value::Array(mut streams) => match streams.pop() {
                Some(Value::Array(mut stream)) if stream.len() == 2 => {
                    Ok(entries_after(after, max, &entries(stream.swap_remove(1))?))
                }
                other => Err(StoreError::corrupt(other)),
            },
            other => Err(StoreError::corrupt(other)),
        }
    }
}

struct Announcements {
    connection: PubSub,
}

#[async_trait]
impl WatermarkSubscription for Announcements {
    async fn next(&mut self) -> Result<Watermark, StoreError> {
        let message = loop {
            let arrived = timeout(SILENCE_MAX, self.connection.on_message().next()).await;
            match arrived {
                Ok(message) => break message,
                Err(_silence) => self.check().await?,
            }
        };
        let message =
            message.ok_or_else(|| StoreError::Unreachable("the connection for announcements was closed".into()))?;
        let payload: String = message.get_payload().map_err(StoreError::corrupt)?;
        parse_watermark(&payload).ok_or_else(|| StoreError::corrupt(payload))
    }
}

impl Announcements {
    /// Fails unless Redis answers on this connection.
    async fn check(&mut self) -> Result<(), StoreError> {
        within(RESPONSE_TIMEOUT, self.connection.ping::<Value>()).await.map(|_pong| ()).map_err(store_error)
    }
}

fn range(sale: SaleId, part: Part, after: LedgerId, max: usize) -> Cmd {
    let mut command = redis::cmd("XRANGE");
    command.arg(SaleKeys::of(sale).key(part)).arg(format!("({after}")).arg("+").arg("COUNT").arg(max);
    command
}

/// Reads up to `max` ledger entries after `after`, which may lie inside the first stream entry.
fn entries_after(after: LedgerId, max: usize, entries: &[(LedgerId, Vec<String>)]) -> Vec<LedgerEntry> {
    let entries = entries.iter().flat_map(|(id, fields)| parse_entries(*id, fields));
    entries.filter(|entry| entry.id > after).take(max).collect()
}

/// `[[id, [name, value, ...]], ...]`
pub(super) fn entries(value: Value) -> Result<Vec<(LedgerId, Vec<String>)>, StoreError> {
    let Value::Array(values) = value else { return Err(StoreError::corrupt(value)) };
    let entry = |value: Value| match value {
        Value::Array(mut entry) if entry.len() == 2 => {
            let fields = texts(entry.swap_remove(1))?;
            let id = text(entry.swap_remove(0))?;
            Ok((id.parse().map_err(|_| StoreError::corrupt(id))?, fields))
        }
        value => Err(StoreError::corrupt(value)),
    };
    values.into_iter().map(entry).collect()
}
