//! The provider of a service that has none.

use async_trait::async_trait;

use crate::application::payment::ports::{CircuitState, Provider, ProviderError};
use crate::domain::payment::{Attempt, IntentId, IntentState};

/// A provider that is never asked.
#[derive(Debug, Clone, Copy)]
pub struct NoProvider;

#[async_trait]
impl Provider for NoProvider {
    fn circuit(&self) -> Option<CircuitState> {
        None
    }

    async fn create(&self, _: &Attempt) -> Result<IntentId, ProviderError> {
        Err(ProviderError::Resting)
    }

    async fn confirm(&self, _: &IntentId, _: &Attempt) -> Result<IntentState, ProviderError> {
        Err(ProviderError::Resting)
    }

    async fn cancel(&self, _: &IntentId, _: &Attempt) -> Result<IntentState, ProviderError> {
        Err(ProviderError::Resting)
    }

    async fn refund(&self, _: &IntentId, _: &Attempt) -> Result<(), ProviderError> {
        Err(ProviderError::Resting)
    }

    async fn get(&self, _: &IntentId) -> Result<IntentState, ProviderError> {
        Err(ProviderError::Resting)
    }
}
