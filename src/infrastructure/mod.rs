//! The adapters: what the application's ports are in the real world, and what the world reaches it by.

pub mod local;
pub mod postgres;
pub mod redis;
