//! Which path leads where.

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::LazyLock;

use hyper::Method;
use percent_encoding::percent_decode_str;

use crate::domain::shared::Invalid;

use super::faults::FieldErrors;
use super::problem::Problem;
use super::settings::Surface;

/// A path that the service knows, each with the one thing that can be done there; or none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    Checkout,
    Cart,
    CartItem,
    Purchase,
    Receipt,
    BuyNow,
    ActiveSale,
    Sales,
    Sale,
    SaleItems,
    SoldFilter,
    Item,
    UserPurchases,
    Live,
    Ready,
    Health,
    Metrics,
    AdminSales,
    AdminSaleEnd,
    Document,
    Docs,
    DocsFile,
    Unknown,
}

impl Route {
    /// Every route, in the order of their definition.
    pub const ALL: [Route; 23] = [
        Route::Checkout,
        Route::Cart,
        Route::CartItem,
        Route::Purchase,
        Route::Receipt,
        Route::BuyNow,
        Route::ActiveSale,
        Route::Sales,
        Route::Sale,
        Route::SaleItems,
        Route::SoldFilter,
        Route::Item,
        Route::UserPurchases,
        Route::Live,
        Route::Ready,
        Route::Health,
        Route::Metrics,
        Route::AdminSales,
        Route::AdminSaleEnd,
        Route::Document,
        Route::Docs,
        Route::DocsFile,
        Route::Unknown,
    ];

    /// The paths that it stands for.
    pub fn pattern(self) -> &'static str {
        match self {
            Route::Checkout => "/checkout",
            Route::Cart => "/checkout/{code}",
            Route::CartItem => "/checkout/{code}/items/{id}",
            Route::Purchase => "/purchase",
            Route::Receipt => "/purchase/{code}",
            Route::BuyNow => "/api/purchase",
            Route::ActiveSale => "/sales/active",
            Route::Sales => "/sales",
            Route::Sale => "/sales/{id}",
            Route::SaleItems => "/sales/{id}/items",
            Route::SoldFilter => "/sales/{id}/sold-filter",
            Route::Item => "/items/{id}",
            Route::UserPurchases => "/users/{user_id}/purchases",
            Route::Live => "/health/live",
            Route::Ready => "/health/ready",
            Route::Health => "/health",
            Route::Metrics => "/metrics",
            Route::AdminSales => "/admin/sales",
            Route::AdminSaleEnd => "/admin/sales/{id}/end",
            Route::Document => "/openapi.json",
            Route::Docs => "/docs",
            Route::DocsFile => "/docs/{file}",
            Route::Unknown => "unknown",
        }
    }

    /// What can be done there, as `Allow` has it.
    pub fn methods(self) -> &'static str {
        match self {
            Route::Checkout | Route::Purchase | Route::BuyNow | Route::AdminSales | Route::AdminSaleEnd => "POST",
            Route::CartItem => "DELETE",
            _ => "GET, HEAD",
        }
    }

    /// Whether this can be done there.
    pub fn allows(self, method: &Method) -> bool {
        self.methods().split(", ").any(|allowed| method == allowed)
    }

    /// Whether it answers about the service itself, and so must answer where shopping is refused.
    pub fn is_operational(self) -> bool {
        matches!(self, Route::Live | Route::Ready | Route::Health | Route::Metrics)
    }

    /// Whether it is for administrators.
    pub fn is_admin(self) -> bool {
        matches!(self, Route::AdminSales | Route::AdminSaleEnd)
    }

    /// Whether the request may have a body that matters.
    pub fn takes_body(self) -> bool {
        matches!(self, Route::Checkout | Route::Purchase | Route::BuyNow | Route::AdminSales)
    }

    /// Whether a listener of this surface has it. Each one describes itself.
    pub fn is_on(self, surface: Surface) -> bool {
        let health = matches!(self, Route::Live | Route::Ready | Route::Health);
        let docs = matches!(self, Route::Document | Route::Docs | Route::DocsFile);
        match surface {
            Surface::Everything => true,
            Surface::Operations => health || docs || self == Route::Metrics || self.is_admin(),
            Surface::Shopping => self != Route::Metrics && !self.is_admin(),
        }
    }
}

/// What the variable parts of a path are.
#[derive(Debug, Clone, Default)]
pub struct Params(Vec<(&'static str, String)>);

impl Params {
    /// A part of the path as it was sent.
    pub fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| text)
    }

    /// The value that a part of the path stands for.
    pub fn parse<T: FromStr<Err = Invalid>>(&self, name: &str) -> Result<T, Problem> {
        // A byte that is no UTF-8 is a character here that nothing allows.
        let decoded: Cow<'_, str> = percent_decode_str(self.text(name)).decode_utf8_lossy();
        decoded.parse().map_err(|invalid: Invalid| FieldErrors::one(name, invalid.message()))
    }
}

/// The route of a path on this surface, and its variable parts.
pub fn find(surface: Surface, path: &str) -> (Route, Params) {
    let Ok(found) = ROUTES.at(path) else { return (Route::Unknown, Params::default()) };
    if !found.value.is_on(surface) {
        return (Route::Unknown, Params::default());
    }
    let params = found.params.iter().map(|(name, value)| (name, value.to_owned()));
    (*found.value, Params(params.collect()))
}

static ROUTES: LazyLock<matchit::Router<Route>> = LazyLock::new(|| {
    let mut routes = matchit::Router::new();
    for route in Route::ALL.into_iter().filter(|route| *route != Route::Unknown) {
        routes
            .insert(route.pattern(), route)
            .unwrap_or_else(|clash| unreachable!("every pattern is tested to have its place: {clash}"));
    }
    routes
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::shared::{SaleId, UserId};

    #[test]
    fn every_route_has_its_place_and_its_path() {
        for (place, route) in Route::ALL.into_iter().enumerate() {
            assert_eq!(route as usize, place, "{route:?}");
            let path = route.pattern().replace(['{', '}'], "");
            if route != Route::Unknown {
                assert_eq!(find(Surface::Everything, &path).0, route, "{path}");
            }
        }
    }

    #[test]
    fn what_is_no_path_of_ours_is_unknown() {
        for path in
            ["", "/", "*", "/Checkout", "/checkout/", "/checkout/a/b", "/docs/", "/sales/a/items/", "/admin", "//sales"]
        {
            assert_eq!(find(Surface::Everything, path).0, Route::Unknown, "{path}");
        }
    }

    #[test]
    fn operating_and_shopping_can_be_on_listeners_of_their_own() {
        let paths =
            ["/metrics", "/admin/sales", "/admin/sales/x/end", "/health", "/health/live", "/checkout", "/sales"];
        let on = |surface| paths.map(|path| find(surface, path).0 != Route::Unknown);
        assert_eq!(on(Surface::Everything), [true; 7]);
        assert_eq!(on(Surface::Operations), [true, true, true, true, true, false, false]);
        assert_eq!(on(Surface::Shopping), [false, false, false, true, true, true, true]);
    }

    #[test]
    fn parts_of_a_path_are_decoded() {
        let (_, params) = find(Surface::Everything, "/users/a%40b%2Bc/purchases");
        assert_eq!(params.parse::<UserId>("user_id").unwrap().as_str(), "a@b+c");
        for path in ["/users/a%2Fb/purchases", "/users/%ff/purchases", "/users/a%00/purchases", "/users/%/purchases"] {
            let (route, params) = find(Surface::Everything, path);
            assert_eq!(route, Route::UserPurchases);
            assert!(params.parse::<UserId>("user_id").is_err(), "{path}");
        }
        assert!(params.parse::<SaleId>("id").is_err());
    }
}
