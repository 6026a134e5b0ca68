//! The copy of the ledgers.

use async_trait::async_trait;
use sqlx::postgres::PgDatabaseError;
use sqlx::types::Json;
use sqlx::{Connection, PgExecutor};

use crate::application::sale::ports::{
    Cursors, LedgerArchive, PersistError, RejectedEntry, Rejection, RejectionReason,
};
use crate::application::shared::StoreError;
use crate::domain::sale::{CartLine, LedgerEntry, LedgerEvent, Purchase, Release, ReleaseReason, SoldUnit};
use crate::domain::shared::{Epoch, LedgerId, RequestId, SaleId};

use super::connection::PgArchive;
use super::errors::store_error;
use super::metrics;
use super::statement::Statement;

#[async_trait]
impl LedgerArchive for PgArchive {
    async fn cursors(&self, sale: SaleId) -> Result<Cursors, StoreError> {
        let row = sqlx::query!(
            "SELECT epoch, is_restoring, ledger.last_id AS ledger, attempts.last_id AS attempts
             FROM ledger_cursors ledger JOIN attempt_cursors attempts USING (sale)
             WHERE sale = (SELECT key FROM sales WHERE id = $1)",
            sale.to_string(),
        );
        let row = Statement::Cursors.run(row.fetch_one(&self.pool)).await?;
        let (ledger, attempts) = (ledger_id(row.ledger)?, ledger_id(row.attempts)?);
        Ok(Cursors { epoch: Epoch(row.epoch), is_restoring: row.is_restoring, ledger, attempts })
    }

    async fn persist(
        &self,
        epoch: Epoch,
        sale: SaleId,
        after: LedgerId,
        entries: &[LedgerEntry],
    ) -> Result<(), PersistError> {
        let Some(last) = entries.last().map(|entry| entry.id) else { return Ok(()) };
        let (releases, purchases) = (Releases::of(entries), Batch::of(entries));
        if releases.ledger_ids.is_empty() {
            persist_purchases(&self.writers, epoch, sale, (after, last), &purchases).await?;
        } else if purchases.ledger_ids.is_empty() {
            persist_releases(&self.writers, epoch, sale, (after, last), &releases).await?;
        } else {
            let mut lease = self.writers.lease().await.map_err(store_error)?;
            let mut transaction = Statement::Begin.run(lease.begin()).await?;
            persist_releases(&mut *transaction, epoch, sale, (after, last), &releases).await?;
            // The cursor stands there already.
            persist_purchases(&mut *transaction, epoch, sale, (last, last), &purchases).await?;
            Statement::Commit.run(transaction.commit()).await?;
            lease.end(Ok(())).map_err(store_error)?;
        }
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
            "SELECT ledger_id, reason, released_at FROM rejected_entries
             WHERE sale = (SELECT key FROM sales WHERE id = $1) ORDER BY ledger_id",
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
        let mut release =
            Release { purchase: id, units: Vec::new(), slots: Vec::new(), reason: ReleaseReason::Rejected };
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

    async fn note_release(&self, sale: SaleId, release: LedgerId, note: &str) -> Result<(), StoreError> {
        let noted = sqlx::query!(
            "UPDATE released_units SET note = $3
             WHERE sale = (SELECT key FROM sales WHERE id = $1) AND release_id = $2",
            sale.to_string(),
            release.to_i64(),
            note,
        );
        Statement::NoteRelease.run(noted.execute(&self.pool)).await.map(|_done| ())
    }

    async fn mark_released(&self, sale: SaleId, id: LedgerId) -> Result<(), StoreError> {
        let released = sqlx::query!(
            "UPDATE rejected_entries SET released_at = now()
             WHERE sale = (SELECT key FROM sales WHERE id = $1) AND ledger_id = $2",
            sale.to_string(),
            id.to_i64(),
        );
        Statement::MarkReleased.run(released.execute(&self.pool)).await.map(|_done| ())
    }
}

/// Archives releases and moves the cursor.
async fn persist_releases(
    executor: impl PgExecutor<'_>,
    epoch: Epoch,
    sale: SaleId,
    (after, last): (LedgerId, LedgerId),
    releases: &Releases,
) -> Result<(), PersistError> {
    let row = sqlx::query_file!(
        "src/infrastructure/postgres/queries/persist_releases.sql",
        epoch.0,
        sale.to_string(),
        after.to_i64(),
        last.to_i64(),
        &releases.ledger_ids,
        &releases.purchases,
        &releases.reasons as &[&str],
    );
    let row = Statement::PersistReleases.time(row.fetch_one(executor)).await.map_err(persist_error)?;
    written(row.in_epoch, row.moved)
}

/// Archives purchases and moves the cursor.
async fn persist_purchases(
    executor: impl PgExecutor<'_>,
    epoch: Epoch,
    sale: SaleId,
    (after, last): (LedgerId, LedgerId),
    batch: &Batch<'_>,
) -> Result<(), PersistError> {
    let row = sqlx::query_file!(
        "src/infrastructure/postgres/queries/persist.sql",
        epoch.0,
        sale.to_string(),
        after.to_i64(),
        last.to_i64(),
        &batch.ledger_ids,
        &batch.codes as &[[u8; 16]],
        &batch.users as &[&str],
        &batch.requests as &[Option<&str>],
        &batch.unit_counts,
        &batch.missed as &[Option<Json<&[CartLine]>>],
        &batch.unit_ledger_ids,
        &batch.unit_users as &[&str],
        &batch.ordinals,
        &batch.units,
        &batch.slots,
    );
    let row = Statement::Persist.time(row.fetch_one(executor)).await.map_err(persist_error)?;
    written(row.in_epoch, row.moved)
}

/// The releases of committed purchases in a batch, by column.
#[derive(Default)]
struct Releases {
    ledger_ids: Vec<i64>,
    purchases: Vec<i64>,
    reasons: Vec<&'static str>,
}

impl Releases {
    fn of(entries: &[LedgerEntry]) -> Self {
        let mut releases = Releases::default();
        for entry in entries {
            if let LedgerEvent::Released(release) = &entry.event
                && release.reason.is_of_committed()
            {
                releases.ledger_ids.push(entry.id.to_i64());
                releases.purchases.push(release.purchase.to_i64());
                releases.reasons.push(release.reason.into());
            }
        }
        releases
    }
}

/// The purchases of a batch, by column.
#[derive(Default)]
struct Batch<'a> {
    ledger_ids: Vec<i64>,
    codes: Vec<[u8; 16]>,
    users: Vec<&'a str>,
    requests: Vec<Option<&'a str>>,
    unit_counts: Vec<i16>,
    missed: Vec<Option<Json<&'a [CartLine]>>>,
    unit_ledger_ids: Vec<i64>,
    unit_users: Vec<&'a str>,
    ordinals: Vec<i32>,
    units: Vec<i32>,
    slots: Vec<i16>,
}

impl<'a> Batch<'a> {
    fn of(entries: &'a [LedgerEntry]) -> Self {
        let mut batch = Batch::default();
        for entry in entries {
            match &entry.event {
                LedgerEvent::Sold(purchase) => batch.add(entry.id, purchase),
                LedgerEvent::Opened | LedgerEvent::Released(_) | LedgerEvent::Unreadable(_) => {}
            }
        }
        batch
    }

    fn add(&mut self, id: LedgerId, purchase: &'a Purchase) {
        self.ledger_ids.push(id.to_i64());
        self.codes.push(purchase.code.secret().to_be_bytes());
        self.users.push(purchase.user.as_str());
        self.requests.push(purchase.request.as_ref().map(RequestId::as_str));
        self.unit_counts.push(purchase.units.len() as i16);
        self.missed.push((!purchase.missed.is_empty()).then_some(Json(&purchase.missed)));
        for unit in &purchase.units {
            self.unit_ledger_ids.push(id.to_i64());
            self.unit_users.push(purchase.user.as_str());
            self.ordinals.push(number(unit.ordinal.get()));
            self.units.push(number(unit.unit));
            self.slots.push(number(unit.slot));
        }
    }
}

/// Converts a number to the type of its column. One that does not fit becomes 0, which no item, unit or slot has, so
/// PostgreSQL rejects it.
fn number<T: TryFrom<u32> + Default>(number: u32) -> T {
    T::try_from(number).unwrap_or_default()
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
    let null = database.try_downcast_ref::<PgDatabaseError>().and_then(PgDatabaseError::column);
    let reason = match (database.constraint().or(null), database.code().as_deref()) {
        (Some("purchases_pkey"), _) => return PersistError::Duplicate,
        (Some("purchase_units_pkey" | "unit"), _) => RejectionReason::UnitSold,
        (Some("purchase_units_one_per_slot" | "slot"), _) => RejectionReason::SlotFilled,
        // Data exceptions and integrity violations.
        (_, Some(code)) if code.starts_with("22") || code.starts_with("23") => RejectionReason::Invalid,
        _ => return store_error(error).into(),
    };
    PersistError::Rejected(Rejection { reason, message })
}

fn ledger_id(packed: i64) -> Result<LedgerId, StoreError> {
    LedgerId::try_from(packed).map_err(StoreError::corrupt)
}
