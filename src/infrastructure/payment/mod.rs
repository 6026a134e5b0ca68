//! The payment provider: its client, and its signed events.

mod circuit;
mod client;
mod no_provider;
mod signature;

pub use client::{HttpProvider, ProviderKey, state};
pub use no_provider::NoProvider;
pub use signature::{SignatureError, WebhookSecret};
