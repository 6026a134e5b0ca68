//! Tokens: signed statements of who a user is, as compact JWS (RFC 7515) with the claims `sub` and `exp`.
//!
//! Two algorithms, each bound to its key, and nothing optional: so this is less code than a library with more of both, and
//! it uses the cryptography that TLS already brings along.

mod checked;
mod keys;
mod token;

pub use keys::{InvalidKeys, TokenKeys};
pub use token::{Claims, TokenError};
