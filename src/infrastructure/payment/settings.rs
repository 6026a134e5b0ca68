//! The settings of payments.

use std::sync::Arc;
use std::time::Duration;

use crate::application::payment::PaymentTimes;
use crate::application::payment::ports::Provider;

use super::client::{HttpProvider, ProviderKey};
use super::no_provider::NoProvider;
use super::signature::WebhookSecret;
use super::url::{ProviderUrl, RootCertificateError};

/// The provider of a service, if it has one, and its patience.
#[derive(Debug, Clone)]
pub struct PaymentSettings {
    /// The URL of the provider, and the key of this service there.
    pub provider: Option<(ProviderUrl, ProviderKey)>,
    /// The secret with which the provider signs its events.
    pub webhook_secret: Option<WebhookSecret>,
    /// Longest time in which a payment may be pending.
    pub patience: Duration,
    /// Time after which the provider is asked what became of a payment.
    pub ask_after: Duration,
    /// Time for which the provider may be silent or undecided about a payment that is to be cancelled.
    pub silence: Duration,
}

impl PaymentSettings {
    /// Payments without a provider: orders can be cancelled, and expire.
    pub const NONE: PaymentSettings = PaymentSettings {
        provider: None,
        webhook_secret: None,
        patience: Duration::from_secs(600),
        ask_after: Duration::from_secs(30),
        silence: Duration::from_secs(60),
    };

    /// Returns the times.
    pub fn times(&self) -> PaymentTimes {
        PaymentTimes { patience: self.patience, ask_after: self.ask_after, silence: self.silence }
    }

    /// Returns the provider. Fails if the certificates to trust cannot be read.
    pub fn provider(&self) -> Result<Arc<dyn Provider>, RootCertificateError> {
        Ok(match &self.provider {
            Some((url, key)) => Arc::new(HttpProvider::new(url, key.clone())?),
            None => Arc::new(NoProvider),
        })
    }
}
