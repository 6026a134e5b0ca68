//! The machinery of the HTTP interface. It knows no endpoint.
//!
//! A request passes through [`listener`], [`connection`] and [`front`] (limits, request ids, metrics, panics), [`router`]
//! (which endpoint) and [`request`] (its body) to the handler of its [`endpoint`], which gets a [`context`] to work with.
//! Every error on the way is a [`problem`].

pub mod activity;
pub mod admission;
pub mod answer;
pub mod bearer;
pub mod body;
pub mod connection;
pub mod context;
pub mod endpoint;
pub mod etag;
pub mod field_errors;
pub mod front;
pub mod identity;
pub mod json;
pub mod limits;
pub mod listener;
pub mod metrics;
pub mod observation;
pub mod openapi;
pub mod operator_session;
pub mod page;
pub mod path_params;
pub mod policy;
pub mod problem;
pub mod problem_code;
pub mod query;
pub mod readiness;
pub mod refused_head;
pub mod request;
pub mod request_body;
pub mod request_id;
pub mod route_metrics;
pub mod router;
pub mod store_failure;
pub mod streamed;
pub mod timed_stream;
pub mod timestamp;
pub mod unsent;
pub mod user_list;

// The names that nearly every endpoint uses.
pub use answer::Answer;
pub use context::Context;
pub use endpoint::Endpoint;
pub use field_errors::FieldErrors;
pub use openapi::description::Description;
pub use policy::Policy;
pub use problem::Problem;
pub use problem_code::ProblemCode;
pub use request::ApiRequest;
