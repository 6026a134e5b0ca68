//! Popularity of items: the first items of a list are bought most often.

use std::collections::BTreeSet;

use rand::{Rng, RngExt};

/// Returns an index below `count`, distributed by Zipf's law: doubling the position halves the probability.
pub fn popular_index(rng: &mut impl Rng, count: u32) -> u32 {
    let position = f64::from(count.max(1) + 1).powf(rng.random::<f64>()) as u32;
    position.clamp(1, count.max(1)) - 1
}

/// Returns up to `wanted` distinct popular indexes below `count`.
pub fn popular_indexes(rng: &mut impl Rng, count: u32, wanted: usize) -> Vec<u32> {
    let wanted = wanted.min(count as usize);
    let mut indexes = BTreeSet::new();
    while indexes.len() < wanted {
        indexes.insert(popular_index(rng, count));
    }
    indexes.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    #[test]
    fn every_index_is_drawn_and_the_first_ones_most_often() {
        let mut rng = SmallRng::seed_from_u64(1);
        let mut drawn = [0_u32; 100];
        (0..100_000).for_each(|_| drawn[popular_index(&mut rng, 100) as usize] += 1);
        assert!(drawn.iter().all(|count| *count > 0), "{drawn:?}");
        let (first, tenth) = (f64::from(drawn[0]), f64::from(drawn[9]));
        assert!((5.0..10.0).contains(&(first / tenth)), "{first} to {tenth}");
    }

    #[test]
    fn several_indexes_are_distinct_and_never_more_than_the_count() {
        let mut rng = SmallRng::seed_from_u64(1);
        assert_eq!(popular_indexes(&mut rng, 3, 10), [0, 1, 2]);
        assert_eq!(popular_indexes(&mut rng, 1_000, 10).len(), 10);
        assert!(popular_indexes(&mut rng, 0, 3).is_empty());
    }
}
