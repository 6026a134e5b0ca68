//! An endpoint: one method of one path, with everything that the service knows about it.

use futures::future::BoxFuture;
use hyper::Method;

use super::answer::Answer;
use super::context::Context;
use super::limits::settings::Surface;
use super::openapi::description::Description;
use super::policy::{Audience, Policy};
use super::problem::Problem;
use super::request::ApiRequest;

/// One method of one path. Routing, `405` with `Allow`, the OpenAPI document, the labels of metrics and the listeners
/// that offer it follow from this value.
pub struct Endpoint {
    /// The method. An endpoint for `GET` answers `HEAD` too.
    pub method: Method,
    /// The path, with its variable parts in braces: `/sales/{id}`.
    pub path: &'static str,
    pub policy: Policy,
    /// Returns the entry of the OpenAPI document.
    pub describe: fn() -> Description,
    pub handler: Handler,
}

impl Endpoint {
    /// A page for browsers, or the target of its forms: no part of the OpenAPI document.
    pub const fn page(method: Method, path: &'static str, policy: Policy, handler: Handler) -> Self {
        Endpoint { method, path, policy, describe: || unreachable!("a page is not described"), handler }
    }
}

/// Answers a request whose body has been read, and which the policy allows.
pub type Handler = for<'a> fn(&'a Context, &'a ApiRequest) -> BoxFuture<'a, Result<Answer, Problem>>;

/// All endpoints, and the introduction to their OpenAPI document.
pub struct Api {
    /// Returns the description of the interface as a whole.
    pub introduction: fn() -> String,
    /// The groups of endpoints, in the order in which the document shows them.
    pub tags: &'static [&'static str],
    pub endpoints: &'static [&'static Endpoint],
    /// The pages for browsers, which the document leaves out.
    pub pages: &'static [&'static Endpoint],
}

impl Api {
    /// Returns the endpoints of the document that a listener of this surface offers.
    pub fn endpoints_on(&self, surface: Surface, has_admin_token: bool) -> Vec<&'static Endpoint> {
        offered(self.endpoints, surface, has_admin_token)
    }

    /// Returns the pages that a listener of this surface offers.
    pub fn pages_on(&self, surface: Surface, has_admin_token: bool) -> Vec<&'static Endpoint> {
        offered(self.pages, surface, has_admin_token)
    }
}

fn offered(all: &[&'static Endpoint], surface: Surface, has_admin_token: bool) -> Vec<&'static Endpoint> {
    let is_offered = |policy: &Policy| {
        let has_audience = match surface {
            Surface::Everything => true,
            Surface::Shopping => policy.audience != Audience::Operators,
            Surface::Operations => policy.audience != Audience::Shoppers,
        };
        has_audience && (!policy.access.needs_admin_token() || has_admin_token)
    };
    all.iter().copied().filter(|endpoint| is_offered(&endpoint.policy)).collect()
}
