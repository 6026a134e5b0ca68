//! Waiting rooms: who has joined, which places were called, and the passes.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, SubsecRound, Utc};
use sqlx::{Connection, PgConnection};

use crate::application::admission::ports::{Facts, NewRoom, RoomArchive, RoomState, Steering};
use crate::application::shared::StoreError;
use crate::domain::admission::Secret;
use crate::domain::shared::limits::PASS_EXTENSIONS;
use crate::domain::shared::{SaleId, UserId};

use super::connection::PgArchive;
use super::errors::store_error;
use super::statement::Statement;

/// Time in which the pass of a place that was called must be taken.
const NO_SHOW: Duration = Duration::from_secs(30);

/// Time for which a pass still counts after its end: a statement that takes or prolongs it may be under way, and the clocks
/// of those who check it differ by two seconds at most.
const AFTERLIFE: Duration = Duration::from_secs(5);

const NOT_OPEN: StoreError = StoreError::Busy("the waiting room is not open yet");

struct RoomRow {
    secret: Vec<u8>,
    entrants: i64,
    drawn: Option<i64>,
    called: i64,
    rate: i32,
    active_max: i32,
    is_paused: bool,
    message: Option<String>,
    passes: i64,
    now: DateTime<Utc>,
}

impl RoomRow {
    fn parse(self) -> Result<RoomState, StoreError> {
        let secret: [u8; 32] =
            self.secret.try_into().map_err(|_| StoreError::corrupt("the secret of a waiting room"))?;
        Ok(RoomState {
            secret: Secret::new(secret),
            entrants: unsigned(self.entrants)?,
            drawn: self.drawn.map(unsigned).transpose()?,
            called: unsigned(self.called)?,
            rate: self.rate.try_into().map_err(StoreError::corrupt)?,
            active_max: self.active_max.try_into().map_err(StoreError::corrupt)?,
            is_paused: self.is_paused,
            message: self.message,
            passes: unsigned(self.passes)?,
            now: self.now,
        })
    }
}

fn unsigned(number: i64) -> Result<u64, StoreError> {
    number.try_into().map_err(StoreError::corrupt)
}

#[async_trait]
impl RoomArchive for PgArchive {
    async fn join(&self, sale: SaleId, users: &[UserId]) -> Result<Vec<u64>, StoreError> {
        let mut lease = self.pool.lease().await.map_err(store_error)?;
        let mut transaction = Statement::Begin.run(lease.begin()).await?;
        let key = lock(&mut transaction, sale).await?.ok_or(NOT_OPEN)?;
        let names: Vec<&str> = users.iter().map(UserId::as_str).collect();
        let rows = sqlx::query_file!("src/infrastructure/postgres/queries/join.sql", key, &names as &[&str]);
        let rows = Statement::Join.run(rows.fetch_all(&mut *transaction)).await?;
        Statement::Commit.run(transaction.commit()).await?;
        lease.end(Ok(())).map_err(store_error)?;
        let numbers: HashMap<String, i64> = rows.into_iter().map(|row| (row.user_id, row.join_number)).collect();
        let number = |user: &UserId| unsigned(*numbers.get(user.as_str()).ok_or_else(|| StoreError::corrupt(user))?);
        users.iter().map(number).collect()
    }

    async fn admit(&self, sale: SaleId, new: &NewRoom, facts: &Facts) -> Result<RoomState, StoreError> {
        let mut lease = self.pool.lease().await.map_err(store_error)?;
        let mut transaction = Statement::Begin.run(lease.begin()).await?;
        let key = match lock(&mut transaction, sale).await? {
            Some(key) => key,
            None => {
                open(&mut transaction, sale, new).await?;
                lock(&mut transaction, sale).await?.ok_or(NOT_OPEN)?
            }
        };
        let row = sqlx::query_file_as!(
            RoomRow,
            "src/infrastructure/postgres/queries/admit.sql",
            key,
            facts.has_started,
            facts.may_call,
            i64::from(facts.units_left),
            &facts.used.iter().map(|place| *place as i64).collect::<Vec<i64>>(),
            NO_SHOW.as_secs_f64(),
            AFTERLIFE.as_secs_f64(),
        );
        let row = Statement::Admit.run(row.fetch_one(&mut *transaction)).await?;
        Statement::Commit.run(transaction.commit()).await?;
        lease.end(Ok(())).map_err(store_error)?;
        row.parse()
    }

    async fn room(&self, sale: SaleId) -> Result<Option<RoomState>, StoreError> {
        let row = sqlx::query_as!(
            RoomRow,
            r#"SELECT secret, entrants, drawn, called, rate, active_max, is_paused, message, 0::bigint AS "passes!",
                      clock_timestamp() AS "now!"
               FROM waiting_rooms WHERE sale = (SELECT key FROM sales WHERE id = $1)"#,
            sale.to_string(),
        );
        Statement::Room.run(row.fetch_optional(&self.pool)).await?.map(RoomRow::parse).transpose()
    }

    async fn claim(&self, sale: SaleId, place: u64, life: Duration) -> Result<Option<DateTime<Utc>>, StoreError> {
        let claimed = sqlx::query_file!(
            "src/infrastructure/postgres/queries/claim_pass.sql",
            sale.to_string(),
            place as i64,
            life.as_secs_f64(),
        );
        let claimed = Statement::ClaimPass.run(claimed.fetch_optional(&self.pool)).await?;
        Ok(claimed.filter(|pass| pass.is_valid).map(|pass| pass.expires_at.trunc_subsecs(0)))
    }

    async fn extend(&self, sale: SaleId, place: u64, life: Duration) -> Result<Option<DateTime<Utc>>, StoreError> {
        let extended = sqlx::query_scalar!(
            "UPDATE passes SET expires_at = clock_timestamp() + make_interval(secs => $3), extensions = extensions + 1
             WHERE sale = (SELECT key FROM sales WHERE id = $1) AND place = $2 AND is_claimed
               AND expires_at > clock_timestamp() AND extensions < $4
             RETURNING expires_at",
            sale.to_string(),
            place as i64,
            life.as_secs_f64(),
            PASS_EXTENSIONS as i16,
        );
        let extended = Statement::ExtendPass.run(extended.fetch_optional(&self.pool)).await?;
        Ok(extended.map(|expires_at| expires_at.trunc_subsecs(0)))
    }

    async fn steer(&self, sale: SaleId, steering: &Steering) -> Result<bool, StoreError> {
        let steered = sqlx::query!(
            "UPDATE waiting_rooms SET rate = coalesce($2, rate), active_max = coalesce($3, active_max),
                    is_paused = coalesce($4, is_paused), message = nullif(coalesce($5, message), '')
             WHERE sale = (SELECT key FROM sales WHERE id = $1)",
            sale.to_string(),
            steering.rate.map(|rate| rate as i32),
            steering.active_max.map(|passes| passes as i32),
            steering.is_paused,
            steering.message,
        );
        Ok(Statement::SteerRoom.run(steered.execute(&self.pool)).await?.rows_affected() > 0)
    }
}

/// Locks a room until the end of the transaction, and returns the key of its sale; `None` if nobody has opened it. The
/// statements that follow see everything that those before them have done.
async fn lock(connection: &mut PgConnection, sale: SaleId) -> Result<Option<i32>, StoreError> {
    let key = sqlx::query_scalar!(
        "SELECT sale FROM waiting_rooms WHERE sale = (SELECT key FROM sales WHERE id = $1) FOR UPDATE",
        sale.to_string(),
    );
    Statement::LockRoom.run(key.fetch_optional(connection)).await
}

/// Opens a room, unless it is open.
async fn open(connection: &mut PgConnection, sale: SaleId, new: &NewRoom) -> Result<(), StoreError> {
    let opened = sqlx::query!(
        "INSERT INTO waiting_rooms (sale, secret, rate, active_max) SELECT key, $2, $3, $4 FROM sales WHERE id = $1
         ON CONFLICT DO NOTHING",
        sale.to_string(),
        &new.secret.bytes()[..],
        new.rate as i32,
        new.active_max as i32,
    );
    Statement::OpenRoom.run(opened.execute(connection)).await.map(|_done| ())
}
