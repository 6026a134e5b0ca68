//! The adapters: implementations of the application's ports, and the interfaces to the outside.

pub mod accept_queue;
pub mod background;
mod backoff;
pub mod catalog_csv;
pub mod http;
pub mod local;
pub mod metrics;
pub mod open_files;
pub mod payment;
pub mod postgres;
pub mod provider;
pub mod redis;
pub mod telemetry;
pub mod tokens;
