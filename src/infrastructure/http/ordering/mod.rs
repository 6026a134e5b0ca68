//! The endpoints of the ordering context.

pub mod cancel_body;
pub mod cancel_order;
pub mod order;
pub mod order_body;
pub mod pay;
pub mod user_orders;
pub mod webhook;

/// The tag of these endpoints.
pub const ORDERING: &str = "Orders";

use crate::domain::shared::CheckoutCode;
use crate::infrastructure::http::platform::{Problem, ProblemCode};

/// Returns the path of the order of a code.
pub fn order_path(code: CheckoutCode) -> String {
    format!("/orders/{code}")
}

/// There is no such order.
pub fn order_not_found() -> Problem {
    let detail =
        "No order has this name, or its sale wants no payment. GET /purchase/{code} shows the receipt of a cart.";
    Problem::new(ProblemCode::OrderNotFound, detail)
}
