//! Tokens: signed statements as compact JWS (RFC 7515). One of a user says who is asking, with the claims `sub` and `exp`;
//! tickets and passes say where somebody is in a waiting room.
//!
//! Two algorithms, each bound to its key, and nothing optional: so this is less code than a library with more of both, and
//! it uses the cryptography that TLS already brings along.

mod checked;
mod keys;
mod queue;
mod token;

pub use keys::{InvalidKeys, TokenKeys};
pub use queue::{Pass, Ticket};
pub use token::{Claims, TokenError};
