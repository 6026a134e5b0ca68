//! The settings of payments.

use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;

use crate::application::payment::ports::Provider;

use super::client::{HttpProvider, ProviderKey};
use super::no_provider::NoProvider;
use super::signature::WebhookSecret;

/// The provider of a service, if it has one, and its patience.
#[derive(Debug, Clone)]
pub struct PaymentSettings {
    /// The URL of the provider, and the key of this service there.
    pub provider: Option<(Uri, ProviderKey)>,
    /// The secret with which the provider signs its events.
    pub webhook_secret: Option<WebhookSecret>,
    /// Longest time in which a payment may be pending.
    pub patience: Duration,
}

impl PaymentSettings {
    /// Payments without a provider: orders can be cancelled, and expire.
    pub const NONE: PaymentSettings =
        PaymentSettings { provider: None, webhook_secret: None, patience: Duration::from_secs(600) };

    /// Returns the provider.
    pub fn provider(&self) -> Arc<dyn Provider> {
        match &self.provider {
            Some((url, key)) => Arc::new(HttpProvider::new(url, key.clone())),
            None => Arc::new(NoProvider),
        }
    }
}
