//! Which items people want. The first ones shown are wanted most.

use std::collections::BTreeSet;

use rand::{Rng, RngExt};

/// A place from 0 to below `count`, as by Zipf's law: each place about half as likely as the one half as far.
pub fn popular(rng: &mut impl Rng, count: u32) -> u32 {
    let place = f64::from(count.max(1) + 1).powf(rng.random::<f64>()) as u32;
    place.clamp(1, count.max(1)) - 1
}

/// Different popular places, up to `wanted` of them.
pub fn several_popular(rng: &mut impl Rng, count: u32, wanted: usize) -> Vec<u32> {
    let wanted = wanted.min(count as usize);
    let mut places = BTreeSet::new();
    while places.len() < wanted {
        places.insert(popular(rng, count));
    }
    places.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    #[test]
    fn every_place_can_be_wanted_and_the_first_ones_most() {
        let mut rng = SmallRng::seed_from_u64(1);
        let mut wanted = [0_u32; 100];
        (0..100_000).for_each(|_| wanted[popular(&mut rng, 100) as usize] += 1);
        assert!(wanted.iter().all(|count| *count > 0), "{wanted:?}");
        let (first, tenth) = (f64::from(wanted[0]), f64::from(wanted[9]));
        assert!((5.0..10.0).contains(&(first / tenth)), "{first} to {tenth}");
    }

    #[test]
    fn several_are_different_and_never_more_than_there_are() {
        let mut rng = SmallRng::seed_from_u64(1);
        assert_eq!(several_popular(&mut rng, 3, 10), [0, 1, 2]);
        assert_eq!(several_popular(&mut rng, 1_000, 10).len(), 10);
        assert!(several_popular(&mut rng, 0, 3).is_empty());
    }
}
