//! Places for streams: answers that last as long as their reader wants.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::shared::UserId;

use super::super::metrics;
use super::owner_places::{OwnerPlace, OwnerPlaces};
use super::rate_limit::network;
use super::settings::HttpSettings;

/// The streams that a user may have: pages of the shop that are open at once.
const STREAMS_PER_USER: usize = 4;

/// The places of a listener, which are counted apart from connections.
#[derive(Debug)]
pub struct StreamPlaces {
    all: Arc<Semaphore>,
    of_users: Arc<OwnerPlaces<UserId>>,
    of_addresses: Option<Arc<OwnerPlaces<IpAddr>>>,
}

/// A place of one stream, which is free again when this is dropped.
#[derive(Debug)]
pub struct StreamPlace {
    _of_all: OwnedSemaphorePermit,
    _of_user: Option<OwnerPlace<UserId>>,
    _of_address: Option<OwnerPlace<IpAddr>>,
}

impl StreamPlaces {
    /// The places of these settings.
    ///
    /// An address may have as many streams as connections, if these are limited. Many people may share it, so a lower
    /// number would shut some of them out.
    pub fn new(settings: &HttpSettings) -> Self {
        metrics::streams_max(settings.streams);
        StreamPlaces {
            all: Arc::new(Semaphore::new(settings.streams)),
            of_users: OwnerPlaces::new(STREAMS_PER_USER),
            of_addresses: settings.connections_per_address.map(|max| OwnerPlaces::new(max.get())),
        }
    }

    /// Takes a place for a stream of this user, if the reader is known, at this address. Returns `None` if there is none,
    /// or if either has too many.
    pub fn take(&self, user: Option<UserId>, address: IpAddr) -> Option<StreamPlace> {
        let place = self.try_take(user, address);
        match place {
            Some(_) => metrics::stream_opened(),
            None => metrics::stream_refused(),
        }
        place
    }

    fn try_take(&self, user: Option<UserId>, address: IpAddr) -> Option<StreamPlace> {
        let of_user = match user {
            Some(user) => Some(self.of_users.take(user)?),
            None => None,
        };
        let of_address = match &self.of_addresses {
            Some(places) => Some(places.take(network(address))?),
            None => None,
        };
        let of_all = self.all.clone().try_acquire_owned().ok()?;
        Some(StreamPlace { _of_all: of_all, _of_user: of_user, _of_address: of_address })
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        metrics::stream_closed();
    }
}
