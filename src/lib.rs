//! A flash-sale service.
//!
//! - [`domain`]: the rules of a sale, in plain Rust.
//! - [`application`]: the use cases, one per file, and the ports that they need.
//! - [`infrastructure`]: the adapters: Redis, PostgreSQL, HTTP, metrics, logs, background tasks.
//! - [`sabotage`]: broken behaviour for tests, in builds with the feature of that name only.
//! - [`startup`]: connects them. [`config`] and [`cli`]: the settings and the commands.
//!
//! `domain` imports nothing, `application` imports `domain`, `infrastructure` imports both. No import runs the other
//! way. See `wiki/Architecture.md`.

#![forbid(unsafe_code)]

pub mod application;
pub mod cli;
pub mod config;
pub mod domain;
pub mod infrastructure;
pub mod sabotage;
pub mod startup;
