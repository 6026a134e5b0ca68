//! Places for streams: answers that last as long as their reader wants.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::super::metrics;
use super::super::request::ApiRequest;
use super::address_places::{AddressPlace, AddressPlaces};
use super::proxies::TrustedProxies;
use super::settings::HttpSettings;

/// The places of a listener, which are counted apart from connections.
#[derive(Debug)]
pub struct StreamPlaces {
    all: Arc<Semaphore>,
    of_readers: Option<Arc<AddressPlaces>>,
    trusted_proxies: TrustedProxies,
}

/// A place of one stream, which is free again when this is dropped.
#[derive(Debug)]
pub struct StreamPlace {
    _place: OwnedSemaphorePermit,
    _of_reader: Option<AddressPlace>,
}

impl StreamPlaces {
    /// The places of these settings.
    ///
    /// The limit of a reader is that of its address: as many streams as connections, if these are limited. Many people may
    /// share an address, so a lower number would shut some of them out.
    pub fn new(settings: &HttpSettings) -> Self {
        metrics::streams_max(settings.streams);
        StreamPlaces {
            all: Arc::new(Semaphore::new(settings.streams)),
            of_readers: settings.connections_per_address.map(|max| AddressPlaces::new(max.get())),
            trusted_proxies: settings.trusted_proxies.clone(),
        }
    }

    /// Takes a place for the stream of this request. Returns `None` if there is none, or if its reader has too many.
    pub fn take(&self, request: &ApiRequest) -> Option<StreamPlace> {
        let place = self.all.clone().try_acquire_owned().ok();
        let of_reader = match &self.of_readers {
            None => Some(None),
            Some(places) => places.take(self.trusted_proxies.client(request.peer, &request.head.headers)).map(Some),
        };
        let (Some(place), Some(of_reader)) = (place, of_reader) else {
            metrics::stream_refused();
            return None;
        };
        metrics::stream_opened();
        Some(StreamPlace { _place: place, _of_reader: of_reader })
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        metrics::stream_closed();
    }
}
