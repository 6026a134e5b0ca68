//! The context of a handler.

use std::sync::{Arc, LazyLock};

use tokio_util::sync::CancellationToken;

use crate::application::ordering::Orders;
use crate::application::payment::Payments;
use crate::application::sale::Shop;
use crate::infrastructure::payment::WebhookSecret;

use super::limits::rate_limit::RateLimits;
use super::limits::stream_places::StreamPlaces;
use super::page::Page;
use super::readiness::Readiness;

/// A page that is made when it is first needed.
pub type LazyPage = LazyLock<Page, Box<dyn FnOnce() -> Page + Send>>;

/// Everything that handlers work with. All connections of a listener share it.
pub struct Context {
    pub shop: Arc<Shop>,
    pub orders: Arc<Orders>,
    pub payments: Arc<Payments>,
    /// The secret of the payment provider.
    pub webhook_secret: Option<WebhookSecret>,
    pub rates: RateLimits,
    pub stream_places: StreamPlaces,
    pub readiness: Readiness,
    /// The OpenAPI document of this listener.
    pub document: LazyPage,
    /// Signals that the listener is closing. An answer that streams without an end of its own ends now.
    pub closing: CancellationToken,
}
