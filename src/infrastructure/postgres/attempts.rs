//! The copy of the checkout attempts.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

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
        let moved = sqlx::query_file_scalar!(
            "src/infrastructure/postgres/queries/persist_attempts.sql",
            sale.to_string(),
            after.to_i64(),
            last.to_i64(),
            &attempts.iter().map(|attempt| attempt.id.to_i64()).collect::<Vec<i64>>(),
            &attempts.iter().map(|attempt| attempt.code.secret().to_be_bytes()).collect::<Vec<[u8; 16]>>()
                as &[[u8; 16]],
            &attempts.iter().map(|attempt| attempt.user.as_str()).collect::<Vec<&str>>() as &[&str],
            &attempts.iter().map(|attempt| print(&attempt.lines)).collect::<Vec<String>>(),
        );
        let moved = Statement::PersistAttempts.run(moved.fetch_one(&self.writers)).await?;
        if moved { Ok(()) } else { Err(PersistError::CursorMoved) }
    }

    async fn add_refusals(&self, counts: &[(RefusalKey, u64)]) -> Result<(), StoreError> {
        let added = sqlx::query!(
            "INSERT INTO refused_attempts (sale, second, reason, count)
             SELECT sales.key, refused.second, refused.reason, refused.count
             FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::bigint[])
                 AS refused (sale, second, reason, count)
             JOIN sales ON sales.id = refused.sale
             ON CONFLICT (sale, second, reason) DO UPDATE SET count = refused_attempts.count + excluded.count",
            &counts.iter().map(|(key, _)| key.sale.to_string()).collect::<Vec<String>>(),
            &counts.iter().map(|(key, _)| time(key.second)).collect::<Vec<DateTime<Utc>>>(),
            &counts.iter().map(|(key, _)| key.reason.to_owned()).collect::<Vec<String>>(),
            &counts.iter().map(|(_, count)| *count as i64).collect::<Vec<i64>>(),
        );
        Statement::AddRefusals.run(added.execute(&self.writers)).await.map(|_done| ())
    }
}

/// Prints `42:1,43:2`: item and quantity.
fn print(lines: &[CartLine]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| format!("{}:{}", line.ordinal, line.quantity)).collect();
    lines.join(",")
}

fn time(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}
