//! The metrics of the provider.

use std::time::Instant;

use strum::{IntoStaticStr, VariantArray};

use crate::application::payment::ports::ProviderError;
use crate::domain::payment::IntentState;
use crate::infrastructure::metrics::{Counter, Histogram, Label, Metric, metrics};

metrics! {
    /// Operations at the payment provider, by operation and outcome: the state of the intent afterwards, or the error.
    static PAYMENTS: Metric<Counter, (Operation, Outcome)> = "flashsale_payments_total" by "operation", "outcome";

    /// Time of an operation at the payment provider, with its repetitions, by operation.
    static PAYMENT_DURATION: Metric<Histogram, Operation> = "flashsale_payment_duration_seconds" by "operation";
}

impl Label for Operation {}
impl Label for Outcome {}

/// An operation at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Operation {
    Create,
    Confirm,
    Cancel,
    Refund,
    Get,
}

/// The outcome of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Outcome {
    Unconfirmed,
    Processing,
    Declined,
    Succeeded,
    Cancelled,
    Refunded,
    UnknownMethod,
    /// The provider refuses the payment for good.
    Refused,
    /// The provider answered with a failure of its own.
    Failed,
    /// It did not answer, or not with what was asked for.
    Unknown,
    /// It was not asked, because the circuit was open.
    Resting,
}

impl Outcome {
    /// The outcome of an operation that left an intent in this state.
    pub fn of_state(state: &IntentState) -> Self {
        match state {
            IntentState::Unconfirmed => Outcome::Unconfirmed,
            IntentState::Processing => Outcome::Processing,
            IntentState::Declined => Outcome::Declined,
            IntentState::Succeeded => Outcome::Succeeded,
            IntentState::Cancelled => Outcome::Cancelled,
        }
    }

    fn of_error(error: &ProviderError) -> Self {
        match error {
            ProviderError::Resting => Outcome::Resting,
            ProviderError::UnknownMethod => Outcome::UnknownMethod,
            ProviderError::Refused(_) => Outcome::Refused,
            ProviderError::Failed(_) => Outcome::Failed,
            ProviderError::Unknown(_) => Outcome::Unknown,
        }
    }
}

impl Operation {
    /// Returns true if a failure tells that the provider is away. A confirmation may fail because of its means of payment,
    /// and nobody may keep others from paying with a means that always fails.
    pub fn tells_of_provider(self) -> bool {
        self != Operation::Confirm
    }

    /// Measures this operation. `outcome` tells the outcome of a success.
    pub async fn measured<T>(
        self,
        outcome: impl FnOnce(&T) -> Outcome,
        asking: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        let begun = Instant::now();
        let answered = asking.await;
        let outcome = answered.as_ref().map_or_else(Outcome::of_error, outcome);
        PAYMENTS.of((self, outcome)).increment(1);
        if outcome != Outcome::Resting {
            PAYMENT_DURATION.of(self).record(begun.elapsed().as_secs_f64());
        }
        answered
    }
}
