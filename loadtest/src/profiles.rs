//! What shoppers are like: all numbers about their behaviour.

use std::ops::Range;

use rand::{Rng, RngExt};

/// A kind of shopper.
#[derive(Debug)]
pub struct Profile {
    pub name: &'static str,
    /// Of 100 shoppers.
    share: u32,
    /// How likely somebody who looked checks out.
    pub checkout: f64,
    /// How likely a cart is then bought.
    pub purchase: f64,
    /// How likely somebody knows what to buy and does not look first.
    pub decided: f64,
    /// Seconds between two steps, and twice that between two visits.
    pub think_s: Range<f64>,
}

/// Every kind of shopper.
pub static ALL: [Profile; 3] = [
    Profile { name: "aggressive", share: 10, checkout: 0.9, purchase: 0.8, decided: 0.7, think_s: 0.1..0.5 },
    Profile { name: "normal", share: 60, checkout: 0.6, purchase: 0.4, decided: 0.2, think_s: 0.5..2.0 },
    Profile { name: "browser", share: 30, checkout: 0.3, purchase: 0.1, decided: 0.0, think_s: 1.0..4.0 },
];

/// Of all visits, those of somebody who was here before, and may have an abandoned cart or own the limit.
pub const REGULAR: f64 = 0.2;
/// Of those who will buy, those who take one item at once, without a cart.
pub const BUYS_NOW: f64 = 0.1;
/// Of carts, those of 4 to 10 items that are checked out together; the others get 1 to 3 one by one.
pub const LARGE_CART: f64 = 0.1;
/// Of carts that would be bought, those looked at once more before.
pub const REVIEWS: f64 = 0.2;
/// Of cart purchases, those that take what is left.
pub const PARTIAL: f64 = 0.1;
/// Of those told that items of their cart are sold, those who buy the rest.
pub const BUYS_THE_REST: f64 = 0.8;
/// Of purchases, those where the shopper hangs up before the answer, and asks again.
pub const HANGS_UP: f64 = 0.02;
/// Of acknowledged purchases, those asked for once more.
pub const REPEATS: f64 = 0.05;

/// An index into [`ALL`], by the shares.
pub fn choose(rng: &mut impl Rng) -> usize {
    let mut place = rng.random_range(0..ALL.iter().map(|profile| profile.share).sum());
    let is_there = |profile: &Profile| {
        let found = place < profile.share;
        place = place.saturating_sub(profile.share);
        found
    };
    ALL.iter().position(is_there).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    #[test]
    fn shoppers_come_by_their_shares() {
        assert_eq!(ALL.iter().map(|profile| profile.share).sum::<u32>(), 100);
        let mut rng = SmallRng::seed_from_u64(1);
        let mut seen = [0_u32; ALL.len()];
        (0..100_000).for_each(|_| seen[choose(&mut rng)] += 1);
        for (profile, seen) in ALL.iter().zip(seen) {
            assert!(seen.abs_diff(profile.share * 1_000) < 600, "{}: {seen}", profile.name);
        }
    }
}
