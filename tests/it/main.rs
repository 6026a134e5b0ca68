//! Every promise, against real Redis and PostgreSQL processes. One binary, one file a noun.

mod architecture;
mod archive;
mod buy_now;
mod checkout;
#[cfg(feature = "otlp")]
mod export;
mod harness;
mod health;

mod ledger;
mod metrics;
mod monitoring;
mod openapi;
mod program;
mod purchase;
mod recover;
mod schedule;
mod scripts;
mod supervision;
mod tracing;
