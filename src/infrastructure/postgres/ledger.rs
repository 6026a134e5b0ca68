//! The copy of the ledgers.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sqlx::types::Json;

use crate::application::sale::ports::{
    Cursors, LedgerArchive, PersistError, RejectedEntry, Rejection, RejectionReason,
};
use crate::application::shared::StoreError;
use crate::domain::sale::{CartLine, Catalog, LedgerEntry, LedgerEvent, Purchase, Release, SoldUnit};
use crate::domain::shared::{Epoch, LedgerId, SaleId};

use super::connection::{PgArchive, store_error};
use super::metrics;
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
        let batch = Batch::of(catalog, entries)?;
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
        metrics::LEDGER_BATCH.record(entries.len() as f64);
        Ok(())
    }

    async fn reject(
        &self,
        epoch: Epoch,
        sale: SaleId,
        after: LedgerId,
        entry: &LedgerEntry,
        rejection: &Rejection,
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
            <&str>::from(rejection.reason),
            rejection.message,
            text,
        );
        let row = Statement::Reject.time(row.fetch_one(&self.writers)).await.map_err(persist_error)?;
        written(row.in_epoch, row.moved)?;
        metrics::entry_rejected(rejection.reason);
        Ok(())
    }

    async fn rejections(&self, sale: SaleId) -> Result<Vec<RejectedEntry>, StoreError> {
        let rows = sqlx::query!(
            "SELECT ledger_id, reason, released_at FROM rejected_entries WHERE sale_id = $1 ORDER BY ledger_id",
            sale.to_string(),
        );
        let rows = Statement::Rejections.run(rows.fetch_all(&self.pool)).await?;
        let entry = |id, reason: &str, released| {
            let reason = reason.parse().map_err(|_| StoreError::corrupt(reason))?;
            Ok(RejectedEntry { id: ledger_id(id)?, reason, released })
        };
        rows.into_iter().map(|row| entry(row.ledger_id, &row.reason, row.released_at.is_some())).collect()
    }

    async fn unowned(&self, sale: SaleId, id: LedgerId, purchase: &Purchase) -> Result<Release, StoreError> {
        let column =
            |value: fn(&SoldUnit) -> u32| purchase.units.iter().map(|unit| value(unit) as i32).collect::<Vec<_>>();
        let rows = sqlx::query_file!(
            "src/infrastructure/postgres/queries/unowned.sql",
            sale.to_string(),
            purchase.user.as_str(),
            &column(|unit| unit.ordinal.get()),
            &column(|unit| unit.unit),
            &column(|unit| unit.slot),
        );
        let rows = Statement::Unowned.run(rows.fetch_all(&self.pool)).await?;
        let mut release = Release { purchase: id, units: Vec::new(), slots: Vec::new() };
        for unit in &purchase.units {
            let is_unit =
                |ordinal: i32, number: i32| (ordinal, number) == (unit.ordinal.get() as i32, unit.unit as i32);
            let row =
                rows.iter().find(|row| is_unit(row.ordinal, row.unit)).ok_or_else(|| StoreError::corrupt(unit))?;
            release.units.extend(row.unit_is_free.then_some(*unit));
            release.slots.extend(row.slot_is_empty.then_some(unit.slot));
        }
        Ok(release)
    }

    async fn mark_released(&self, sale: SaleId, id: LedgerId) -> Result<(), StoreError> {
        let released = sqlx::query!(
            "UPDATE rejected_entries SET released_at = now() WHERE sale_id = $1 AND ledger_id = $2",
            sale.to_string(),
            id.to_i64(),
        );
        Statement::MarkReleased.run(released.execute(&self.pool)).await.map(|_done| ())
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
    fn of(catalog: &Catalog, entries: &'a [LedgerEntry]) -> Result<Self, PersistError> {
        let mut batch = Batch::default();
        for entry in entries {
            match &entry.event {
                LedgerEvent::Sold(purchase) => batch.add(catalog, entry.id, purchase)?,
                LedgerEvent::Opened | LedgerEvent::Released(_) | LedgerEvent::Unreadable(_) => {}
            }
        }
        Ok(batch)
    }

    fn add(&mut self, catalog: &Catalog, id: LedgerId, purchase: &'a Purchase) -> Result<(), PersistError> {
        let total = catalog.total(&purchase.lines()).map_err(|unknown| {
            PersistError::Rejected(Rejection { reason: RejectionReason::Invalid, message: unknown.to_string() })
        })?;
        self.ledger_ids.push(id.to_i64());
        self.codes.push(purchase.code.to_string());
        self.users.push(purchase.user.to_string());
        self.requests.push(purchase.request.as_ref().map(ToString::to_string));
        self.unit_counts.push(purchase.units.len() as i32);
        self.totals.push(total.amount());
        self.missed.push(Json(&purchase.missed));
        self.times.push(id.time());
        for unit in &purchase.units {
            self.unit_ledger_ids.push(id.to_i64());
            self.unit_users.push(purchase.user.to_string());
            self.ordinals.push(unit.ordinal.get() as i32);
            self.units.push(unit.unit as i32);
            self.slots.push(unit.slot as i32);
        }
        Ok(())
    }
}

fn written(in_epoch: bool, moved: bool) -> Result<(), PersistError> {
    match (in_epoch, moved) {
        (true, true) => Ok(()),
        (true, false) => Err(PersistError::CursorMoved),
        (false, _) => Err(PersistError::EpochPassed),
    }
}

/// Distinguishes an entry that is rejected for itself from a failure of PostgreSQL.
fn persist_error(error: sqlx::Error) -> PersistError {
    let sqlx::Error::Database(database) = &error else { return store_error(error).into() };
    let message = database.message().to_owned();
    let reason = match (database.constraint(), database.code().as_deref()) {
        (Some("purchases_pkey"), _) => return PersistError::Duplicate,
        (Some("purchase_units_pkey" | "purchase_units_in_stock"), _) => RejectionReason::UnitSold,
        (Some("purchase_units_one_per_slot" | "purchase_units_in_limit"), _) => RejectionReason::SlotFilled,
        // Data exceptions and integrity violations.
        (_, Some(code)) if code.starts_with("22") || code.starts_with("23") => RejectionReason::Invalid,
        _ => return store_error(error).into(),
    };
    PersistError::Rejected(Rejection { reason, message })
}

fn ledger_id(packed: i64) -> Result<LedgerId, StoreError> {
    LedgerId::try_from(packed).map_err(StoreError::corrupt)
}
