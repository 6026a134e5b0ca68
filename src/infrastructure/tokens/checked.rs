//! Tokens whose signature was right.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use arc_swap::ArcSwapOption;

/// Places for tokens. With tokens of 300 bytes, all of them take 20 MB.
const PLACES: usize = 65_536;

/// Remembers tokens whose signature takes long to check: 36 us for Ed25519, while a user sends the same token many times.
/// Each token has one place, which a later one may take.
pub struct CheckedTokens {
    places: Box<[ArcSwapOption<String>]>,
    hasher: RandomState,
}

impl CheckedTokens {
    /// Remembers nothing.
    pub fn new() -> Self {
        CheckedTokens { places: (0..PLACES).map(|_| ArcSwapOption::empty()).collect(), hasher: RandomState::new() }
    }

    /// Returns true if this very token was remembered. Nobody can choose tokens that share a place, so the time that it takes
    /// tells nothing about another token.
    pub fn contains(&self, token: &str) -> bool {
        self.place(token).load().as_ref().is_some_and(|known| **known == token)
    }

    /// Remembers a token.
    pub fn insert(&self, token: &str) {
        self.place(token).store(Some(Arc::new(token.to_owned())));
    }

    fn place(&self, token: &str) -> &ArcSwapOption<String> {
        &self.places[self.hasher.hash_one(token) as usize % PLACES]
    }
}
