//! The OpenAPI document, made from the table of endpoints.
//!
//! Methods, paths and common problems come from the table, bodies from the types that are read and written, statuses and
//! titles of problems from their codes. The [`description`] of an endpoint adds the rest.

pub mod description;
pub mod document;
mod examples;
mod problems;
pub mod schema;
mod values;
