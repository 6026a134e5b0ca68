//! The adapters: what the application's ports are in the real world.

pub mod postgres;
pub mod redis;
