//! The rules of a waiting room: the draw of places, the proof of it, and estimates of the wait.

mod draw;
mod estimate;
mod phase;
mod secret;

pub use draw::Draw;
pub use estimate::{Calls, Wait};
pub use phase::Phase;
pub use secret::Secret;
