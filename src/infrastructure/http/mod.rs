//! The HTTP interface: what clients see of the service.
//!
//! A request passes through [`server`] (connections), [`front`] (limits, request ids, metrics, panics),
//! [`router`] (which path) and [`request`] (body) to the file of its noun, where it is parsed into domain
//! types, given to one use case, and answered. Whatever goes wrong on the way is a [`Problem`].

mod admin;
mod answer;
mod bearer;
mod buy_now;
mod cart;
mod checkout;
mod code;
mod connection;
mod docs;
mod etag;
mod faults;
mod front;
mod health;
mod items;
mod json;
mod new_sale;
mod observation;
mod openapi;
mod problem;
mod purchase;
mod query;
mod rate_limit;
mod receipt;
mod request;
mod request_id;
mod router;
mod sales;
mod scrape;
mod server;
mod settings;
mod sold_filter;
mod store_failure;
mod users;

#[cfg(test)]
mod failing_stores;
#[cfg(test)]
mod socket_tests;
#[cfg(test)]
mod tests;

pub use bearer::AdminToken;
pub use code::ProblemCode;
pub use front::{Caller, Front};
pub use problem::Problem;
pub use router::Route;
pub use server::serve;
pub use settings::{HttpSettings, Rate, Surface};
