//! The entry to a sale: free, with a pass, or through its waiting room.

use hyper::header::HeaderMap;

use crate::domain::shared::SaleId;
use crate::infrastructure::http::platform::admission::Gate;
use crate::infrastructure::http::platform::{Answer, ApiRequest, Context, Problem, ProblemCode, answer};
use crate::infrastructure::http::web::accept::is_browser;

use super::queue::path_of;

/// The entry of a shopper to a sale.
#[derive(Debug, PartialEq, Eq)]
pub enum Entry {
    Free,
    /// The shopper has a pass until this time.
    Pass(String),
    Room,
}

impl Entry {
    /// Returns the entry of the sender of a request.
    pub fn of(context: &Context, request: &ApiRequest, sale: SaleId) -> Self {
        let visitor = context.users.visitor(request).ok().flatten();
        match context.gate(request, sale, visitor.as_ref()) {
            Gate::Open => Entry::Free,
            // Without a session, a pass would be that of somebody else.
            Gate::Passed(pass) if visitor.is_some() => Entry::Pass(pass.expires_at.format("%H:%M:%S UTC").to_string()),
            Gate::Passed(_) | Gate::Closed => Entry::Room,
        }
    }

    /// Returns true if the shopper may buy.
    pub fn is_open(&self) -> bool {
        *self != Entry::Room
    }
}

/// Leads a browser that was refused for want of a pass to the waiting room of the sale.
pub fn lead(problem: Problem, headers: &HeaderMap, sale: Option<SaleId>) -> Result<Answer, Problem> {
    match sale {
        Some(sale) if problem.code() == ProblemCode::AdmissionRequired && is_browser(headers) => {
            Ok(answer::see_other(&path_of(sale)))
        }
        _ => Err(problem),
    }
}
