//! The HTTP interface.
//!
//! [`platform`] is the machinery. [`endpoints`] is the table of all endpoints. Each endpoint is one file in the folder of
//! its context: [`sale`], [`admission`], [`ordering`], [`identity`], [`admin`] or [`operations`]. The pages for browsers are in
//! [`storefront`] and [`console`], and [`web`] has what they share.

mod admin;
mod admission;
mod console;
mod endpoints;
mod identity;
mod operations;
mod ordering;
mod platform;
mod sale;
mod storefront;
mod web;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::application::admission::WaitingRooms;
use crate::application::payment::Payments;

use platform::front::Front;
use platform::listener;

pub use endpoints::API;
pub use platform::bearer::AdminToken;
pub use platform::endpoint::{Api, Endpoint};
pub use platform::limits::proxies::{TrustedProxies, TrustedProxy};
pub use platform::limits::settings::{HttpSettings, Rate, Surface};
pub use platform::listener::bind;

// For benches/micro.
#[doc(hidden)]
pub use {platform::request::ApiRequest, sale::checkout::read as read_checkout, sale::receipt_body::PurchaseBody};

/// Serves a part of the interface on this listener until `shutdown`, and then drains its connections.
pub async fn serve(
    listener: TcpListener,
    payments: Arc<Payments>,
    rooms: Arc<WaitingRooms>,
    settings: HttpSettings,
    surface: Surface,
    shutdown: CancellationToken,
) {
    register_metrics();
    let front = Front::new(&API, payments, rooms, settings, surface, CancellationToken::new());
    listener::serve(listener, front, shutdown).await;
}

/// Registers the metrics of the interface, so that their series exist from the start.
pub fn register_metrics() {
    platform::metrics::register();
    sale::metrics::register();
    admission::metrics::register();
}
