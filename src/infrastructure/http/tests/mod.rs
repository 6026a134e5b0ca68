//! The interface as a whole, without real stores.

mod admission;
mod answers;
mod client;
mod document;
pub mod failing_stores;
mod fields;
mod hostile;
mod hyper_errors;
mod identity;
mod pages;
mod sockets;
mod streams;
pub mod table;
