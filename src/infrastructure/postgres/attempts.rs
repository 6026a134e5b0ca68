//! The copy of the checkout attempts.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::types::Json;

use crate::application::sale::ports::{Attempt, AttemptArchive, PersistError, RefusalKey};
use crate::application::shared::StoreError;
use crate::domain::sale::CartLine;
use crate::domain::shared::{LedgerId, SaleId};

use super::connection::PgArchive;
use super::statement::Statement;

#[async_trait]
impl AttemptArchive for PgArchive {
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

fn time(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}
