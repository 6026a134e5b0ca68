//! The context of a handler.

use std::sync::{Arc, LazyLock};

use tokio_util::sync::CancellationToken;

use crate::application::admission::WaitingRooms;
use crate::application::ordering::Orders;
use crate::application::payment::Payments;
use crate::application::sale::Shop;
use crate::domain::shared::{CheckoutCode, Claim, UserId};
use crate::infrastructure::payment::WebhookSecret;
use crate::infrastructure::tokens::TokenKeys;

use super::bearer::AdminToken;
use super::identity::{Session, Users};
use super::limits::rate_limit::RateLimits;
use super::limits::settings::Surface;
use super::limits::stream_places::{StreamPlace, StreamPlaces};
use super::page::Page;
use super::problem::Problem;
use super::readiness::Readiness;
use super::request::ApiRequest;

/// A page that is made when it is first needed.
pub type LazyPage = LazyLock<Page, Box<dyn FnOnce() -> Page + Send>>;

/// Everything that handlers work with. All connections of a listener share it.
pub struct Context {
    pub shop: Arc<Shop>,
    pub orders: Arc<Orders>,
    pub payments: Arc<Payments>,
    pub rooms: Arc<WaitingRooms>,
    /// The keys of tickets and passes.
    pub room_keys: Option<TokenKeys>,
    /// The secret of the payment provider.
    pub webhook_secret: Option<WebhookSecret>,
    /// The token of the administrators.
    pub admin_token: Option<AdminToken>,
    pub rates: RateLimits,
    pub users: Users,
    pub stream_places: StreamPlaces,
    pub readiness: Readiness,
    /// The OpenAPI document of this listener.
    pub document: LazyPage,
    /// The part of the interface that this listener offers.
    pub surface: Surface,
    /// Signals that the listener is closing. An answer that streams without an end of its own ends now.
    pub closing: CancellationToken,
}

impl Context {
    /// Counts a request with a checkout code, and returns the code as the user of the request presents it. Fails if there are
    /// too many requests.
    pub fn claim(&self, request: &ApiRequest, code: CheckoutCode) -> Result<Claim, Problem> {
        match &request.user {
            Some(user) => self.rates.check_user(&request.counted, user)?,
            None => self.rates.check_code(&request.counted, code)?,
        }
        Ok(Claim { code, user: request.user.clone() })
    }

    /// Counts a request that was served before it was known to be of this user.
    pub fn count_owner(&self, request: &ApiRequest, owner: &UserId) {
        if request.user.is_none() {
            self.rates.count_user(owner);
        }
    }

    /// Returns the identity of a visitor: the one that the request has, or that of a new guest. Fails if the address has
    /// got too many.
    pub fn open_session(&self, request: &ApiRequest) -> Result<Session, Problem> {
        let count = || self.rates.check_session(&request.counted, self.users.address(request));
        self.users.open_session(request, count)
    }

    /// Returns a place for the stream that answers the request; `None` if there are too many, or if its user or its address
    /// has too many.
    pub fn place_for_stream(&self, request: &ApiRequest) -> Result<Option<StreamPlace>, Problem> {
        let user = self.users.visitor(request)?;
        Ok(self.stream_places.take(user, self.users.address(request)))
    }
}
