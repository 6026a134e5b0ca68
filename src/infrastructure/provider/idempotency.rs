//! The answers by idempotency key: a request that is repeated changes nothing more, and gets the same answer.

use hyper::StatusCode;
use sqlx::PgConnection;

use super::answer::Answer;
use super::operation::Operation;

/// The idempotency key of a request, alone with it until the end of the transaction.
#[derive(Debug)]
pub struct Key<'a> {
    key: &'a str,
    request: String,
}

impl<'a> Key<'a> {
    /// Waits until no other request with this key is being decided.
    pub async fn lock(connection: &mut PgConnection, key: &'a str, operation: &Operation) -> sqlx::Result<Self> {
        let lock = sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))");
        lock.bind(key).execute(connection).await?;
        let request = serde_json::to_string(operation).map_err(|error| sqlx::Error::Encode(error.into()))?;
        Ok(Key { key, request })
    }

    /// Returns the answer that an earlier request with this key got, or an error if that was another request.
    pub async fn earlier(&self, connection: &mut PgConnection) -> sqlx::Result<Option<Answer>> {
        let query = sqlx::query_as("SELECT request, status, body FROM provider.answers WHERE key = $1");
        let Some((request, status, body)) =
            query.bind(self.key).fetch_optional(connection).await? as Option<(String, i16, String)>
        else {
            return Ok(None);
        };
        if request != self.request {
            let message = "this Idempotency-Key belongs to another request: use a new one";
            return Ok(Some(Answer::error(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", message)));
        }
        let status = StatusCode::from_u16(status.cast_unsigned()).map_err(|error| sqlx::Error::Decode(error.into()))?;
        Ok(Some(Answer { status, body }))
    }

    /// Keeps the answer for later requests.
    pub async fn keep(self, connection: &mut PgConnection, answer: &Answer) -> sqlx::Result<()> {
        sqlx::query("INSERT INTO provider.answers (key, request, status, body) VALUES ($1, $2, $3, $4)")
            .bind(self.key)
            .bind(self.request)
            .bind(answer.status.as_u16().cast_signed())
            .bind(&answer.body)
            .execute(connection)
            .await?;
        Ok(())
    }
}
