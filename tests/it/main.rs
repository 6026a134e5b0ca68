//! Integration tests against real Redis, PostgreSQL and Prometheus processes: one binary, and one file for each topic.

mod architecture;
mod archive;
mod archive_failover;
mod audit;
mod browser;
mod buy_now;
mod checkout;
#[cfg(feature = "otlp")]
mod export;
mod failover;
mod harness;
mod health;

mod ledger;
mod limits;
mod lists;
mod metrics;
mod monitoring;
mod openapi;
mod order_kills;
mod order_races;
mod orders;
mod pauses;
mod pay;
mod payments;
mod program;
mod provider;
mod provider_client;
mod purchase;
mod read_floods;
mod reconciliation;
mod recover;
mod schedule;
mod scripts;
mod secrets;
mod split_brain;
mod stock_returns;
mod store_connections;
mod storefront;
mod style;
mod supervision;
mod tls;
mod tracing;
mod void;
mod webhook;
