//! A flash-sale service.
//!
//! - [`domain`]: what a sale is, in plain Rust.
//! - [`application`]: what the service does, one use case a file, through narrow ports.
//! - [`infrastructure`]: Redis, PostgreSQL, HTTP and the rest of the world.
//! - [`startup`]: puts them together. [`cli`] and [`config`]: how people start it.
//!
//! `domain` knows nobody, `application` knows `domain`, `infrastructure` knows both; nothing points the other way.
//! `wiki/Architecture.md` tells the whole story.

#![forbid(unsafe_code)]

pub mod application;
pub mod cli;
pub mod config;
pub mod domain;
pub mod infrastructure;
pub mod startup;
