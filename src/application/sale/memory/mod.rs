//! Stores in memory, for tests: the ports over [`Stock`](crate::domain::sale::Stock), with the guards of the schema.
//!
//! The contract suites in `tests/it` run against these adapters and against the real ones. Tests of use cases stand on
//! them: they count calls, make stores fail, and let them lose their state. The release build has none of this.

mod archive;
mod calls;
mod store;

pub use archive::{ArchiveCall, MemoryArchive};
pub use calls::{Calls, Fault};
pub use store::{MemoryStore, SavedStore, StoreCall};
