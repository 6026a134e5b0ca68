//! Shopper profiles: all numbers about shopper behaviour.

use std::ops::Range;

use rand::{Rng, RngExt};

/// A kind of shopper.
#[derive(Debug)]
pub struct Profile {
    pub name: &'static str,
    /// Shoppers with this profile, in percent.
    share: u32,
    /// The probability that a visit reaches the checkout after the shopper has chosen items.
    pub checkout: f64,
    /// The probability that a cart is bought.
    pub purchase: f64,
    /// The probability that a shopper knows what to buy and skips the item list.
    pub decided: f64,
    /// Seconds between two steps. The time between two visits is twice as long.
    pub think_s: Range<f64>,
}

/// Every profile.
pub static ALL: [Profile; 3] = [
    Profile { name: "aggressive", share: 10, checkout: 0.9, purchase: 0.8, decided: 0.7, think_s: 0.1..0.5 },
    Profile { name: "normal", share: 60, checkout: 0.6, purchase: 0.4, decided: 0.2, think_s: 0.5..2.0 },
    Profile { name: "browser", share: 30, checkout: 0.3, purchase: 0.1, decided: 0.0, think_s: 1.0..4.0 },
];

/// The share of visits by returning users, who may have an abandoned cart or be at their limit.
pub const RETURNING: f64 = 0.2;
/// The share of buyers who buy one item without a cart.
pub const BUYS_NOW: f64 = 0.1;
/// The share of carts with 4 to 10 items, checked out in one request. The others have 1 to 3, checked out one by one.
pub const LARGE_CART: f64 = 0.1;
/// The share of carts that the shopper reviews before buying.
pub const REVIEWS: f64 = 0.2;
/// The share of cart purchases with `partial=true`, which buy whatever is left.
pub const PARTIAL: f64 = 0.1;
/// The share of shoppers who buy the rest of a cart after `items_sold`.
pub const BUYS_THE_REST: f64 = 0.8;
/// The share of purchases where the shopper hangs up before the response and retries.
pub const HANGS_UP: f64 = 0.02;
/// The share of acknowledged purchases that the shopper repeats.
pub const REPEATS: f64 = 0.05;

/// The share of buyers who never pay an order that must be paid.
pub const WALKS_AWAY: f64 = 0.1;
/// The share of the others who cancel it.
pub const CANCELS: f64 = 0.05;
/// The share of the others whose means of payment is declined.
pub const IS_DECLINED: f64 = 0.1;
/// The share of shoppers who try another means of payment after that.
pub const TRIES_AGAIN: f64 = 0.7;

/// Returns a random index into [`ALL`], weighted by the shares.
pub fn choose(rng: &mut impl Rng) -> usize {
    let mut point = rng.random_range(0..ALL.iter().map(|profile| profile.share).sum());
    let contains_point = |profile: &Profile| {
        let is_inside = point < profile.share;
        point = point.saturating_sub(profile.share);
        is_inside
    };
    ALL.iter().position(contains_point).expect("the shares cover every point")
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    #[test]
    fn profiles_are_chosen_by_their_shares() {
        assert_eq!(ALL.iter().map(|profile| profile.share).sum::<u32>(), 100);
        let mut rng = SmallRng::seed_from_u64(1);
        let mut seen = [0_u32; ALL.len()];
        (0..100_000).for_each(|_| seen[choose(&mut rng)] += 1);
        for (profile, seen) in ALL.iter().zip(seen) {
            assert!(seen.abs_diff(profile.share * 1_000) < 600, "{}: {seen}", profile.name);
        }
    }
}
