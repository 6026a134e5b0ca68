//! The adapters: what the application's ports are in the real world, and what the world reaches it by.

pub mod background;
pub mod http;
pub mod local;
pub mod metrics;
pub mod postgres;
pub mod redis;
pub mod telemetry;
