//! A stand-in payment provider in the manner of Stripe's PaymentIntents. It runs as a process of its own, with a database
//! of its own, and misbehaves on demand: see `wiki/Payments.md`.
//!
//! A request passes through [`server`] and [`routes`], becomes an [`operation`], and is decided by [`charges`], which
//! commits the intent, the answer and the event in one transaction. [`settlement`] ends slow payments, and [`webhooks`]
//! delivers the events.

mod answer;
mod api_key;
mod charges;
mod database;
mod faults;
mod idempotency;
mod intent;
mod operation;
mod outbox;
mod report;
mod routes;
mod server;
mod settlement;
mod signature;
mod webhooks;

pub use api_key::ApiKey;
pub use database::ConnectError;
pub use faults::{Delivery, FaultPlan};
pub use server::{Provider, Stopped};
pub use signature::WebhookSecret;
pub use webhooks::Receiver;
