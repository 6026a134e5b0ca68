//! Places for the open connections of each address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::rate_limit::network;

/// The places that connections have taken, by address. Its size follows the open connections.
#[derive(Debug)]
pub struct AddressPlaces {
    max: usize,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// A place of one connection, which is free again when this is dropped.
#[derive(Debug)]
pub struct AddressPlace {
    places: Arc<AddressPlaces>,
    address: IpAddr,
}

impl AddressPlaces {
    /// Places for this many connections of each address.
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(AddressPlaces { max, taken: Mutex::default() })
    }

    /// Takes a place; `None` if the address has taken all of its own.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Option<AddressPlace> {
        let (mut taken, address) = (self.taken(), network(address));
        let count = taken.get(&address).copied().unwrap_or(0);
        if count >= self.max {
            return None;
        }
        taken.insert(address, count + 1);
        Some(AddressPlace { places: self.clone(), address })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for AddressPlace {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        match taken.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => _ = taken.remove(&self.address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_own_places_and_leaves_nothing_behind() {
        let places = AddressPlaces::new(2);
        let take = |address: &str| places.take(address.parse().unwrap());
        let (first, second) = (take("192.0.2.1").unwrap(), take("::ffff:192.0.2.1").unwrap());
        assert!(take("192.0.2.1").is_none());
        let others = [take("192.0.2.2"), take("2001:db8::1"), take("2001:db8::ffff:2")];
        assert!(others.iter().all(Option::is_some) && take("2001:db8::3").is_none());
        drop(first);
        let third = take("192.0.2.1").unwrap();
        assert!(take("192.0.2.1").is_none());
        drop((second, third, others));
        assert!(places.taken().is_empty());
    }
}
