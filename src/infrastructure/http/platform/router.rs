//! Finds the endpoint of a request.

use hyper::Method;
use hyper::header::{ALLOW, HeaderValue};

use super::endpoint::Endpoint;
use super::path_params::PathParams;
use super::problem::Problem;
use super::problem_code::ProblemCode;
use super::route_metrics::RouteMetrics;

/// The label of requests for paths that do not exist.
const UNKNOWN: &str = "unknown";

/// The routes of a listener.
pub struct Router {
    routes: matchit::Router<Route>,
    unknown: Route,
}

/// A path with its endpoints, one for each method; no endpoint for a path that does not exist.
pub struct Route {
    pub pattern: &'static str,
    pub metrics: RouteMetrics,
    endpoints: Vec<&'static Endpoint>,
    param_names: Vec<&'static str>,
    allow: HeaderValue,
}

impl Router {
    /// A router for these endpoints.
    ///
    /// # Panics
    ///
    /// If two of them have the same method and path, or paths that cannot be told apart. Tests make a router of the whole table.
    pub fn new(endpoints: &[&'static Endpoint]) -> Self {
        let mut patterns: Vec<&'static str> = endpoints.iter().map(|endpoint| endpoint.path).collect();
        patterns.sort_unstable();
        patterns.dedup();
        let mut routes = matchit::Router::new();
        for pattern in patterns {
            let of_pattern = endpoints.iter().copied().filter(|endpoint| endpoint.path == pattern);
            routes
                .insert(pattern, Route::new(pattern, of_pattern.collect()))
                .unwrap_or_else(|error| panic!("the path {pattern} cannot be a route: {error}"));
        }
        Router { routes, unknown: Route::new(UNKNOWN, Vec::new()) }
    }

    /// Returns the route of a path, and the variable parts of the path.
    pub fn find(&self, path: &str) -> (&Route, PathParams) {
        match self.routes.at(path) {
            Ok(found) => {
                let values = found.params.iter().map(|(_, value)| value);
                (found.value, PathParams::new(&found.value.param_names, values))
            }
            Err(_) => (&self.unknown, PathParams::default()),
        }
    }
}

impl Route {
    fn new(pattern: &'static str, endpoints: Vec<&'static Endpoint>) -> Self {
        let methods = allowed_methods(pattern, &endpoints);
        let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
        let allow = HeaderValue::try_from(names.join(", "));
        Route {
            pattern,
            metrics: RouteMetrics::new(pattern, methods.iter()),
            endpoints,
            param_names: pattern.split(['{', '}']).skip(1).step_by(2).collect(),
            allow: allow.unwrap_or_else(|error| unreachable!("the names of methods are a valid header: {error}")),
        }
    }

    /// Returns the endpoint for a method, or the problem that there is none.
    pub fn endpoint(&self, method: &Method) -> Result<&'static Endpoint, Problem> {
        if self.endpoints.is_empty() {
            return Err(not_found());
        }
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        let endpoint = self.endpoints.iter().copied().find(|endpoint| endpoint.method == *method);
        endpoint.ok_or_else(|| {
            let detail = "Use one of the methods in the Allow header.";
            Problem::new(ProblemCode::MethodNotAllowed, detail).header(ALLOW, self.allow.clone())
        })
    }
}

/// Returns the problem of a path that does not exist.
pub fn not_found() -> Problem {
    Problem::new(ProblemCode::NotFound, "Check the path. GET /openapi.json lists all paths.")
}

fn allowed_methods(pattern: &str, endpoints: &[&'static Endpoint]) -> Vec<Method> {
    let mut methods = Vec::new();
    for endpoint in endpoints {
        assert!(!methods.contains(&endpoint.method), "{} {pattern} is two endpoints", endpoint.method);
        methods.push(endpoint.method.clone());
        if endpoint.method == Method::GET {
            methods.push(Method::HEAD);
        }
    }
    methods
}

#[cfg(test)]
mod tests {
    use crate::domain::shared::{SaleId, UserId};
    use crate::infrastructure::http::tests::table::endpoint;

    use super::*;

    fn router(endpoints: &[(Method, &'static str)]) -> Router {
        let endpoints: Vec<_> = endpoints.iter().map(|(method, path)| endpoint(method.clone(), path)).collect();
        Router::new(&endpoints)
    }

    #[test]
    fn a_path_can_have_several_methods() {
        let router = router(&[(Method::GET, "/a/{x}"), (Method::DELETE, "/a/{x}"), (Method::POST, "/a/{x}")]);
        let (route, _) = router.find("/a/1");
        assert_eq!(route.pattern, "/a/{x}");
        for (method, expected) in
            [(Method::GET, Method::GET), (Method::HEAD, Method::GET), (Method::DELETE, Method::DELETE)]
        {
            assert_eq!(route.endpoint(&method).unwrap().method, expected);
        }
        let refused = route.endpoint(&Method::PUT).err().unwrap().into_answer();
        assert_eq!(refused.status(), 405);
        assert_eq!(refused.headers()["allow"], "GET, HEAD, DELETE, POST");
    }

    #[test]
    fn a_path_without_get_has_no_head() {
        let router = router(&[(Method::POST, "/a")]);
        let refused = router.find("/a").0.endpoint(&Method::HEAD).err().unwrap().into_answer();
        assert_eq!(refused.headers()["allow"], "POST");
    }

    #[test]
    #[should_panic(expected = "GET /a is two endpoints")]
    fn two_endpoints_of_one_method_and_path_are_an_error() {
        router(&[(Method::GET, "/a"), (Method::GET, "/a")]);
    }

    #[test]
    #[should_panic(expected = "cannot be a route")]
    fn paths_that_cannot_be_told_apart_are_an_error() {
        router(&[(Method::GET, "/a/{x}"), (Method::GET, "/a/{y}")]);
    }

    #[test]
    fn a_path_of_no_endpoint_is_unknown() {
        let router = router(&[(Method::GET, "/a/{x}"), (Method::GET, "/a/b")]);
        for path in ["", "/", "*", "/a", "/A/b", "/a/", "/a/b/", "//a/b"] {
            let (route, _) = router.find(path);
            let problem = route.endpoint(&Method::GET).err().unwrap();
            assert_eq!((route.pattern, problem.code()), (UNKNOWN, ProblemCode::NotFound), "{path}");
        }
    }

    #[test]
    fn parts_of_a_path_are_decoded() {
        let router = router(&[(Method::GET, "/users/{user_id}/sales/{id}")]);
        let (_, params) = router.find("/users/a%40b%2Bc/sales/20261120T09");
        assert_eq!(params.parse::<UserId>("user_id").unwrap().as_str(), "a@b+c");
        assert_eq!(params.parse::<SaleId>("id").unwrap().to_string(), "20261120T09");
        for user in ["a%2Fb", "%ff", "a%00", "%"] {
            let (_, params) = router.find(&format!("/users/{user}/sales/x"));
            assert!(params.parse::<UserId>("user_id").is_err(), "{user}");
            assert!(params.parse::<SaleId>("id").is_err());
        }
    }
}
