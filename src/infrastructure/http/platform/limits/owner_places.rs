//! OwnerPlaces of which each owner, such as an address or a user, has its own.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The places that are taken, by owner. Its size follows their number.
#[derive(Debug)]
pub struct OwnerPlaces<Owner: Eq + Hash> {
    max: usize,
    taken: Mutex<HashMap<Owner, usize>>,
}

/// A place that is free again when this is dropped.
#[derive(Debug)]
pub struct OwnerPlace<Owner: Eq + Hash> {
    places: Arc<OwnerPlaces<Owner>>,
    owner: Owner,
}

impl<Owner: Clone + Eq + Hash> OwnerPlaces<Owner> {
    /// This many places for each owner.
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(OwnerPlaces { max, taken: Mutex::default() })
    }

    /// Takes a place; `None` if the owner has taken all of its own.
    pub fn take(self: &Arc<Self>, owner: Owner) -> Option<OwnerPlace<Owner>> {
        let mut taken = self.taken();
        let count = taken.get(&owner).copied().unwrap_or(0);
        if count >= self.max {
            return None;
        }
        taken.insert(owner.clone(), count + 1);
        Some(OwnerPlace { places: self.clone(), owner })
    }
}

impl<Owner: Eq + Hash> OwnerPlaces<Owner> {
    fn taken(&self) -> MutexGuard<'_, HashMap<Owner, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Owner: Eq + Hash> Drop for OwnerPlace<Owner> {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        match taken.get_mut(&self.owner) {
            Some(count) if *count > 1 => *count -= 1,
            _ => _ = taken.remove(&self.owner),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_has_its_own_places_and_leaves_nothing_behind() {
        let places = OwnerPlaces::new(2);
        let (first, second) = (places.take("ann").unwrap(), places.take("ann").unwrap());
        assert!(places.take("ann").is_none());
        let others = [places.take("bob"), places.take("eve"), places.take("eve")];
        assert!(others.iter().all(Option::is_some) && places.take("eve").is_none());
        drop(first);
        let third = places.take("ann").unwrap();
        assert!(places.take("ann").is_none());
        drop((second, third, others));
        assert!(places.taken().is_empty());
    }
}
