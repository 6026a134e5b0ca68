//! Decides the operations. One transaction holds the change, its event and its answer.

use chrono::{DateTime, Utc};
use hyper::StatusCode;
use serde::Serialize;
use sqlx::{PgConnection, PgPool};

use super::answer::Answer;
use super::faults::{FaultPlan, Flakiness};
use super::idempotency::Key;
use super::intent::{self, Change, Intent, Status};
use super::operation::{NewIntent, Operation, PaymentMethod};
use super::outbox::{self, Kind};
use super::report;

/// The intents and everything that belongs to them.
#[derive(Debug, Clone)]
pub struct Charges {
    pub pool: PgPool,
    pub faults: FaultPlan,
}

/// The way in which the provider answers.
#[derive(Debug)]
pub enum Reply {
    Answered(Answer),
    /// The provider never answers, although everything is committed.
    Silent,
}

/// A decision that is not committed yet.
struct Decision {
    answer: Answer,
    /// The order that it charges.
    charged: Option<String>,
    manner: Manner,
}

/// The way in which a decision is answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Answer,
    /// The answer is kept for repeats, and the first request gets an error.
    Fail,
    /// The answer is kept for repeats, and the first request gets none.
    Silence,
    /// Nothing is committed, so that a repeat decides again.
    Forget,
}

/// A refund, as the API shows it.
#[derive(Serialize)]
struct Refund<'a> {
    id: String,
    payment_intent: &'a str,
    amount: i64,
    currency: &'a str,
    status: &'static str,
    created_at: DateTime<Utc>,
}

impl Charges {
    /// Decides an operation once for its key.
    pub async fn execute(&self, key: &str, operation: &Operation) -> sqlx::Result<Reply> {
        let mut transaction = self.pool.begin().await?;
        let key = Key::lock(&mut transaction, key, operation).await?;
        if let Some(answer) = key.earlier(&mut transaction).await? {
            return Ok(Reply::Answered(answer));
        }
        let decision = self.decide(&mut transaction, operation).await?;
        if decision.manner == Manner::Forget {
            return Ok(Reply::Answered(decision.answer));
        }
        key.keep(&mut transaction, &decision.answer).await?;
        transaction.commit().await?;
        if let Some(order_id) = &decision.charged {
            report::note_charge(&self.pool, order_id).await;
        }
        Ok(match decision.manner {
            Manner::Silence => Reply::Silent,
            Manner::Fail => Reply::Answered(flaky()),
            Manner::Answer | Manner::Forget => Reply::Answered(decision.answer),
        })
    }

    async fn decide(&self, connection: &mut PgConnection, operation: &Operation) -> sqlx::Result<Decision> {
        let id = match operation {
            Operation::Create(new) => return create(connection, new).await,
            Operation::Confirm { intent, .. } | Operation::Cancel { intent } | Operation::Refund { intent } => intent,
        };
        let Some(intent) = intent::lock(connection, id).await? else {
            return Ok(Decision { manner: Manner::Forget, ..Decision::of(unknown_intent()) });
        };
        match operation {
            Operation::Create(_) => unreachable!("it was decided above"),
            Operation::Confirm { payment_method, .. } => self.confirm(connection, intent, *payment_method).await,
            Operation::Cancel { .. } => self.cancel(connection, intent).await,
            Operation::Refund { .. } => self.refund(connection, intent).await,
        }
    }

    async fn confirm(
        &self,
        connection: &mut PgConnection,
        intent: Intent,
        method: PaymentMethod,
    ) -> sqlx::Result<Decision> {
        if !matches!(intent.status, Status::RequiresConfirmation | Status::RequiresPaymentMethod) {
            return Ok(Decision::refused(&intent));
        }
        let manner = match method {
            PaymentMethod::Declined => {
                let intent = self.change(connection, &intent, Change::Decline, Kind::PaymentFailed).await?;
                return Ok(Decision::of(Answer::json(StatusCode::PAYMENT_REQUIRED, &intent)));
            }
            PaymentMethod::Slow => {
                let intent = intent::change(connection, &intent.id, Change::Process).await?;
                return Ok(Decision::of(Answer::json(StatusCode::OK, &intent)));
            }
            PaymentMethod::Flaky => self.flaky_manner(connection).await?,
            PaymentMethod::TimeoutCharged => Manner::Silence,
            PaymentMethod::Ok => Manner::Answer,
        };
        if manner == Manner::Forget {
            return Ok(Decision { manner, ..Decision::of(flaky()) });
        }
        let intent = self.change(connection, &intent, Change::Succeed, Kind::Succeeded).await?;
        let answer = Answer::json(StatusCode::OK, &intent);
        Ok(Decision { answer, charged: Some(intent.order_id), manner })
    }

    async fn flaky_manner(&self, connection: &mut PgConnection) -> sqlx::Result<Manner> {
        let number = sqlx::query_scalar("SELECT nextval('provider.flaky_numbers')").fetch_one(connection).await?;
        Ok(match self.faults.flakiness(number) {
            Flakiness::Works => Manner::Answer,
            Flakiness::FailsBeforeCharge => Manner::Forget,
            Flakiness::FailsAfterCharge => Manner::Fail,
        })
    }

    async fn cancel(&self, connection: &mut PgConnection, intent: Intent) -> sqlx::Result<Decision> {
        match intent.status {
            Status::Succeeded | Status::Processing => Ok(Decision::refused(&intent)),
            Status::Canceled => Ok(Decision::of(Answer::json(StatusCode::OK, &intent))),
            Status::RequiresConfirmation | Status::RequiresPaymentMethod => {
                let intent = self.change(connection, &intent, Change::Cancel, Kind::Canceled).await?;
                Ok(Decision::of(Answer::json(StatusCode::OK, &intent)))
            }
        }
    }

    async fn refund(&self, connection: &mut PgConnection, intent: Intent) -> sqlx::Result<Decision> {
        if intent.status != Status::Succeeded || intent.refunded > 0 {
            return Ok(Decision::refused(&intent));
        }
        let intent = self.change(connection, &intent, Change::Refund, Kind::Refunded).await?;
        let refund = Refund {
            id: format!("re_{:032x}", rand::random::<u128>()),
            payment_intent: &intent.id,
            amount: intent.refunded,
            currency: &intent.currency,
            status: "succeeded",
            created_at: Utc::now(),
        };
        Ok(Decision::of(Answer::json(StatusCode::CREATED, &refund)))
    }

    /// Changes an intent, and adds the event that tells of it.
    pub async fn change(
        &self,
        connection: &mut PgConnection,
        intent: &Intent,
        change: Change,
        kind: Kind,
    ) -> sqlx::Result<Intent> {
        let intent = intent::change(connection, &intent.id, change).await?;
        outbox::add(connection, &self.faults, kind, &intent).await?;
        Ok(intent)
    }
}

async fn create(connection: &mut PgConnection, new: &NewIntent) -> sqlx::Result<Decision> {
    let intent = intent::insert(connection, &new.order_id, new.amount, &new.currency).await?;
    Ok(Decision::of(Answer::json(StatusCode::CREATED, &intent)))
}

impl Decision {
    fn of(answer: Answer) -> Self {
        Decision { answer, charged: None, manner: Manner::Answer }
    }

    /// The state of the intent does not allow the operation.
    fn refused(intent: &Intent) -> Self {
        Self::of(Answer::json(StatusCode::CONFLICT, intent))
    }
}

/// The answer for an intent that does not exist.
pub fn unknown_intent() -> Answer {
    Answer::error(StatusCode::NOT_FOUND, "not_found", "no payment intent has this id")
}

fn flaky() -> Answer {
    let message = "pm_flaky failed: repeat the request with the same Idempotency-Key";
    Answer::error(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
}
