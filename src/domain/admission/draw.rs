//! The draw: a permutation of those who joined before the start, which anybody can recompute.
//!
//! A balanced Feistel network over the next even number of bits, walked until it stays within the entrants (J. Black and
//! P. Rogaway, "Ciphers with Arbitrary Finite Domains", 2002). A place takes microseconds and no table.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::domain::shared::SaleId;

use super::Secret;

/// Rounds of the network.
const ROUNDS: u8 = 8;

/// The draw of a waiting room. Those who join later follow in the order of their joining.
#[derive(Debug, Clone)]
pub struct Draw {
    entrants: u64,
    /// Bits of each half of a number.
    half_bits: u32,
    key: [u8; 32],
}

impl Draw {
    /// The draw among this many entrants.
    pub fn new(secret: &Secret, sale: SaleId, entrants: u64) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.bytes()).expect("a key may have any length");
        mac.update(format!("{sale} {entrants}").as_bytes());
        let bits = u64::BITS - entrants.saturating_sub(1).leading_zeros();
        Draw { entrants, half_bits: bits.div_ceil(2), key: mac.finalize().into_bytes().into() }
    }

    /// Returns the number of entrants.
    pub fn entrants(&self) -> u64 {
        self.entrants
    }

    /// Returns the place, from 1, of the one who joined with this number, from 1.
    pub fn place(&self, join_number: u64) -> u64 {
        if !(1..=self.entrants).contains(&join_number) {
            return join_number;
        }
        let mut number = self.step(join_number - 1);
        // The network permutes more numbers than there are entrants. To walk on leads back to one of them.
        while number >= self.entrants {
            number = self.step(number);
        }
        number + 1
    }

    /// Permutes the numbers of twice `half_bits` bits.
    fn step(&self, number: u64) -> u64 {
        let mask = (1 << self.half_bits) - 1;
        let (mut left, mut right) = (number >> self.half_bits, number & mask);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ (self.hash(round, right) & mask));
        }
        left << self.half_bits | right
    }

    /// Returns the first 8 bytes, from the highest, of SHA-256 of the key, the round and the half.
    fn hash(&self, round: u8, half: u64) -> u64 {
        let mut text = [0; 41];
        text[..32].copy_from_slice(&self.key);
        text[32] = round;
        text[33..].copy_from_slice(&half.to_be_bytes());
        let digest = Sha256::digest(text);
        digest[..8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn draw(seed: u8, entrants: u64) -> Draw {
        Draw::new(&Secret::new([seed; 32]), "20261120T09".parse().unwrap(), entrants)
    }

    fn places(seed: u8, entrants: u64) -> Vec<u64> {
        let draw = draw(seed, entrants);
        (1..=entrants).map(|number| draw.place(number)).collect()
    }

    fn assert_bijection(seed: u8, entrants: u64) {
        let mut places = places(seed, entrants);
        places.sort_unstable();
        assert!(places.into_iter().eq(1..=entrants), "{seed} {entrants}");
    }

    #[test]
    fn everybody_gets_one_place() {
        for entrants in (0..70).chain([255, 256, 257, 1_000, 1_023, 1_025]) {
            assert_bijection(7, entrants);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn everybody_gets_one_place_with_any_secret(seed: u8, entrants in 0_u64..1_000) {
            assert_bijection(seed, entrants);
        }
    }

    #[test]
    fn latecomers_follow_in_order() {
        let draw = draw(7, 1_000);
        assert!((1_001..2_000).all(|number| draw.place(number) == number));
        assert_eq!((draw.place(0), draw.entrants()), (0, 1_000));
    }

    #[test]
    fn another_secret_sale_or_number_of_entrants_is_another_draw() {
        let secret = Secret::new([7; 32]);
        let first = |secret: &Secret, sale: &str, entrants| {
            let draw = Draw::new(secret, sale.parse().unwrap(), entrants);
            (1..=20).map(|number| draw.place(number)).collect::<Vec<u64>>()
        };
        let known = first(&secret, "20261120T09", 1_000);
        assert_eq!(known, first(&secret, "20261120T09", 1_000));
        assert_ne!(known, first(&Secret::new([8; 32]), "20261120T09", 1_000));
        assert_ne!(known, first(&secret, "20261120T10", 1_000));
        assert_ne!(known, first(&secret, "20261120T09", 1_001));
    }

    /// The worked example of wiki/Waiting-room.md, which a program in another language has computed.
    #[test]
    fn the_example_of_the_wiki_is_right() {
        let secret = Secret::new(std::array::from_fn(|at| at as u8));
        let draw = Draw::new(&secret, "20261120T09".parse().unwrap(), 10);
        let places: Vec<u64> = (1..=10).map(|number| draw.place(number)).collect();
        assert_eq!(places, EXAMPLE);
    }

    const EXAMPLE: [u64; 10] = [8, 3, 6, 7, 2, 10, 1, 9, 4, 5];

    #[test]
    fn every_part_of_the_queue_is_drawn_alike_and_arrival_does_not_matter() {
        const ENTRANTS: u64 = 20_000;
        for seed in 1..=2 {
            let places = places(seed, ENTRANTS);
            // Those of each tenth of the arrivals in each tenth of the places: 81 degrees of freedom, 1 % beyond 113.5.
            let mut counts = [[0_u32; 10]; 10];
            for (joined, place) in places.iter().enumerate() {
                counts[joined * 10 / ENTRANTS as usize][(place - 1) as usize * 10 / ENTRANTS as usize] += 1;
            }
            let expected = ENTRANTS as f64 / 100.0;
            let chi_squared: f64 =
                counts.iter().flatten().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
            assert!(chi_squared < 113.5, "{seed}: {chi_squared}");
            let n = ENTRANTS as f64;
            let differences: f64 = (1..).zip(&places).map(|(at, place)| (f64::from(at) - *place as f64).powi(2)).sum();
            let correlation = 1.0 - 6.0 * differences / (n * (n * n - 1.0));
            assert!(correlation.abs() < 0.02, "{seed}: {correlation}");
        }
    }
}
