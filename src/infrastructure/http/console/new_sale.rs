//! `GET /admin/console/new`: the form of a new sale.

use hyper::{Method, StatusCode};

use crate::infrastructure::http::platform::Endpoint;

use super::draft::Draft;
use super::{PAGE, draft_page};

pub static ENDPOINT: Endpoint = Endpoint::page(Method::GET, "/admin/console/new", PAGE, |_context, request| {
    Box::pin(async { draft_page::form(&request.head.headers, StatusCode::OK, &Draft::default(), &[]) })
});
