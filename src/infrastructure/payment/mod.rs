//! The payment provider: its client, and its signed events.

mod circuit;
mod client;
pub mod metrics;
mod no_provider;
mod settings;
mod signature;
mod url;

pub use client::{HttpProvider, ProviderKey, state};
pub use no_provider::NoProvider;
pub use settings::PaymentSettings;
pub use signature::{SignatureError, WebhookSecret};
pub use url::{ProviderUrl, RootCertificateError};
