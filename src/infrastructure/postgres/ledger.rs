//! Where the logs of sales are copied to.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sqlx::types::Json;

use crate::application::fence::Epoch;
use crate::application::ports::{
    Attempt, Cursors, DeadLetter, LedgerArchive, PersistError, RefusalKey, Refused, Rejection, StoreError,
};
use crate::domain::{CartLine, Catalog, LedgerEntry, LedgerEvent, LedgerId, Released, SaleId, Sold, SoldUnit};

use crate::infrastructure::metrics;

use super::connection::{PgArchive, corrupt, store_error};
use super::statement::Statement;

#[async_trait]
impl LedgerArchive for PgArchive {
    async fn cursors(&self, sale: SaleId) -> Result<Cursors, StoreError> {
        let row = sqlx::query!(
            "SELECT epoch.number AS epoch, ledger.last_id AS ledger, attempts.last_id AS attempts
             FROM ledger_cursors ledger JOIN attempt_cursors attempts USING (sale_id) CROSS JOIN epoch
             WHERE sale_id = $1",
            sale.to_string(),
        );
        let row = Statement::Cursors.run(row.fetch_one(&self.pool)).await?;
        Ok(Cursors { epoch: Epoch(row.epoch), ledger: ledger_id(row.ledger)?, attempts: ledger_id(row.attempts)? })
    }

    async fn persist(
        &self,
        epoch: Epoch,
        catalog: &Catalog,
        sale: SaleId,
        after: LedgerId,
        entries: &[LedgerEntry],
    ) -> Result<(), PersistError> {
        let Some(last) = entries.last() else { return Ok(()) };
        let batch = Batch::of(catalog, entries);
        let row = sqlx::query_file!(
            "src/infrastructure/postgres/queries/persist.sql",
            epoch.0,
            sale.to_string(),
            after.to_i64(),
            last.id.to_i64(),
            &batch.ledger_ids,
            &batch.codes,
            &batch.users,
            &batch.requests as &[Option<String>],
            &batch.unit_counts,
            &batch.totals,
            &batch.missed as &[Json<&[CartLine]>],
            &batch.times,
            &batch.unit_ledger_ids,
            &batch.unit_users,
            &batch.ordinals,
            &batch.units,
            &batch.slots,
        );
        let row = Statement::Persist.time(row.fetch_one(&self.writers)).await.map_err(persist_error)?;
        written(row.in_epoch, row.moved)?;
        metrics::ledger_committed(entries.len());
        Ok(())
    }

    async fn reject(
        &self,
        epoch: Epoch,
        sale: SaleId,
        after: LedgerId,
        entry: &LedgerEntry,
        refused: &Refused,
    ) -> Result<(), PersistError> {
        let text = match &entry.event {
            LedgerEvent::Unreadable(text) => text.clone(),
            event => format!("{event:?}"),
        };
        let row = sqlx::query_file!(
            "src/infrastructure/postgres/queries/reject.sql",
            epoch.0,
            sale.to_string(),
            after.to_i64(),
            entry.id.to_i64(),
            rejection_word(refused.rejection),
            refused.reason,
            text,
        );
        let row = Statement::Reject.time(row.fetch_one(&self.writers)).await.map_err(persist_error)?;
        written(row.in_epoch, row.moved)?;
        metrics::dead_letter(refused.rejection);
        Ok(())
    }

    async fn rejections(&self, sale: SaleId) -> Result<Vec<DeadLetter>, StoreError> {
        let rows = sqlx::query!(
            "SELECT ledger_id, rejection, released_at FROM dead_letters WHERE sale_id = $1 ORDER BY ledger_id",
            sale.to_string(),
        );
        let rows = Statement::Rejections.run(rows.fetch_all(&self.pool)).await?;
        let letter = |id, rejection: &str, released| {
            Ok(DeadLetter { id: ledger_id(id)?, rejection: rejection_of(rejection)?, released })
        };
        rows.into_iter().map(|row| letter(row.ledger_id, &row.rejection, row.released_at.is_some())).collect()
    }

    async fn unowned(&self, sale: SaleId, id: LedgerId, sold: &Sold) -> Result<Released, StoreError> {
        let column = |value: fn(&SoldUnit) -> u32| sold.units.iter().map(|unit| value(unit) as i32).collect::<Vec<_>>();
        let rows = sqlx::query_file!(
            "src/infrastructure/postgres/queries/unowned.sql",
            sale.to_string(),
            sold.user.as_str(),
            &column(|unit| unit.ordinal.get()),
            &column(|unit| unit.unit),
            &column(|unit| unit.slot),
        );
        let rows = Statement::Unowned.run(rows.fetch_all(&self.pool)).await?;
        let mut released = Released { sold: id, units: Vec::new(), slots: Vec::new() };
        for unit in &sold.units {
            let is_unit =
                |ordinal: i32, number: i32| (ordinal, number) == (unit.ordinal.get() as i32, unit.unit as i32);
            let row = rows.iter().find(|row| is_unit(row.ordinal, row.unit)).ok_or_else(|| corrupt(unit))?;
            released.units.extend(row.unit_is_free.then_some(*unit));
            released.slots.extend(row.slot_is_empty.then_some(unit.slot));
        }
        Ok(released)
    }

    async fn mark_released(&self, sale: SaleId, id: LedgerId) -> Result<(), StoreError> {
        let released = sqlx::query!(
            "UPDATE dead_letters SET released_at = now() WHERE sale_id = $1 AND ledger_id = $2",
            sale.to_string(),
            id.to_i64(),
        );
        Statement::MarkReleased.run(released.execute(&self.pool)).await.map(|_done| ())
    }

    async fn persist_attempts(
        &self,
        sale: SaleId,
        after: LedgerId,
        last: LedgerId,
        attempts: &[Attempt],
    ) -> Result<(), PersistError> {
        let lines: Vec<Json<&[CartLine]>> = attempts.iter().map(|attempt| Json(attempt.lines.as_slice())).collect();
        let moved = sqlx::query_file_scalar!(
            "src/infrastructure/postgres/queries/persist_attempts.sql",
            sale.to_string(),
            after.to_i64(),
            last.to_i64(),
            &attempts.iter().map(|attempt| attempt.id.to_i64()).collect::<Vec<i64>>(),
            &attempts.iter().map(|attempt| attempt.code.to_string()).collect::<Vec<String>>(),
            &attempts.iter().map(|attempt| attempt.user.to_string()).collect::<Vec<String>>(),
            &lines as &[Json<&[CartLine]>],
            &attempts.iter().map(|attempt| attempt.id.time()).collect::<Vec<DateTime<Utc>>>(),
        );
        let moved = Statement::PersistAttempts.run(moved.fetch_one(&self.writers)).await?;
        if moved { Ok(()) } else { Err(PersistError::CursorMoved) }
    }

    async fn add_refusals(&self, counts: &[(RefusalKey, u64)]) -> Result<(), StoreError> {
        let added = sqlx::query!(
            "INSERT INTO refused_attempts (sale_id, second, reason, count)
             SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::bigint[])
             ON CONFLICT (sale_id, second, reason) DO UPDATE SET count = refused_attempts.count + excluded.count",
            &counts.iter().map(|(key, _)| key.sale.to_string()).collect::<Vec<String>>(),
            &counts.iter().map(|(key, _)| time(key.second)).collect::<Vec<DateTime<Utc>>>(),
            &counts.iter().map(|(key, _)| key.reason.to_owned()).collect::<Vec<String>>(),
            &counts.iter().map(|(_, count)| *count as i64).collect::<Vec<i64>>(),
        );
        Statement::AddRefusals.run(added.execute(&self.writers)).await.map(|_done| ())
    }
}

/// The purchases of a batch, by column.
#[derive(Default)]
struct Batch<'a> {
    ledger_ids: Vec<i64>,
    codes: Vec<String>,
    users: Vec<String>,
    requests: Vec<Option<String>>,
    unit_counts: Vec<i32>,
    totals: Vec<Decimal>,
    missed: Vec<Json<&'a [CartLine]>>,
    times: Vec<DateTime<Utc>>,
    unit_ledger_ids: Vec<i64>,
    unit_users: Vec<String>,
    ordinals: Vec<i32>,
    units: Vec<i32>,
    slots: Vec<i32>,
}

impl<'a> Batch<'a> {
    fn of(catalog: &Catalog, entries: &'a [LedgerEntry]) -> Self {
        let mut batch = Batch::default();
        for entry in entries {
            match &entry.event {
                LedgerEvent::Sold(sold) => batch.add(catalog, entry.id, sold),
                LedgerEvent::Opened | LedgerEvent::Released(_) | LedgerEvent::Unreadable(_) => {}
            }
        }
        batch
    }

    fn add(&mut self, catalog: &Catalog, id: LedgerId, sold: &'a Sold) {
        self.ledger_ids.push(id.to_i64());
        self.codes.push(sold.code.to_string());
        self.users.push(sold.user.to_string());
        self.requests.push(sold.request.as_ref().map(ToString::to_string));
        self.unit_counts.push(sold.units.len() as i32);
        self.totals.push(catalog.total(&sold.lines()).amount());
        self.missed.push(Json(&sold.missed));
        self.times.push(id.time());
        for unit in &sold.units {
            self.unit_ledger_ids.push(id.to_i64());
            self.unit_users.push(sold.user.to_string());
            self.ordinals.push(unit.ordinal.get() as i32);
            self.units.push(unit.unit as i32);
            self.slots.push(unit.slot as i32);
        }
    }
}

fn written(in_epoch: bool, moved: bool) -> Result<(), PersistError> {
    match (in_epoch, moved) {
        (true, true) => Ok(()),
        (true, false) => Err(PersistError::CursorMoved),
        (false, _) => Err(PersistError::EpochPassed),
    }
}

/// Tells an entry that is refused for itself from trouble of PostgreSQL.
fn persist_error(error: sqlx::Error) -> PersistError {
    let sqlx::Error::Database(database) = &error else { return store_error(error).into() };
    let message = database.message().to_owned();
    let rejection = match (database.constraint(), database.code().as_deref()) {
        (Some("purchases_pkey"), _) => return PersistError::Duplicate,
        (Some("purchase_units_pkey" | "purchase_units_in_stock"), _) => Rejection::UnitSold,
        (Some("purchase_units_one_per_slot" | "purchase_units_in_limit"), _) => Rejection::SlotFilled,
        // Data exceptions and integrity violations.
        (_, Some(code)) if code.starts_with("22") || code.starts_with("23") => Rejection::Invalid,
        _ => return store_error(error).into(),
    };
    PersistError::Rejected(Refused { rejection, reason: message })
}

fn rejection_word(rejection: Rejection) -> &'static str {
    match rejection {
        Rejection::UnitSold => "unit_sold",
        Rejection::SlotFilled => "slot_filled",
        Rejection::Invalid => "invalid",
    }
}

fn rejection_of(word: &str) -> Result<Rejection, StoreError> {
    match word {
        "unit_sold" => Ok(Rejection::UnitSold),
        "slot_filled" => Ok(Rejection::SlotFilled),
        "invalid" => Ok(Rejection::Invalid),
        _ => Err(corrupt(word)),
    }
}

fn ledger_id(packed: i64) -> Result<LedgerId, StoreError> {
    LedgerId::try_from(packed).map_err(corrupt)
}

fn time(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}
