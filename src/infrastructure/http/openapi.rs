//! The interface, described for machines as OpenAPI has it.
//!
//! Paths and methods come from [`Route`], bodies from the types that are read and written, statuses and titles of
//! problems from [`ProblemCode`]. What is left to say of an operation stands in the file of its kind.

mod examples;
mod looking;
mod operating;
mod operation;
mod problems;
mod shopping;
mod values;

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Components, HttpMethod, Info, License, OpenApi, Paths, Tag};

use super::router::Route;
use operation::Described;

/// The name of the admin token among the security schemes.
const ADMIN_TOKEN: &str = "adminToken";

// Kinds of operations, in the order in which the page shows them.
const SHOPPING: &str = "Shopping";
const LOOKING: &str = "Looking";
const OPERATING: &str = "Operating";
const ADMINISTRATION: &str = "Administration";
const DOCUMENTATION: &str = "Documentation";

const DESCRIPTION: &str = "\
Flash sales. Put items into a cart with `POST /checkout` and buy it with `POST /purchase`, or buy one item with
`POST /api/purchase`. `200` means that it is committed.

Whatever goes wrong is `application/problem+json` (RFC 9457); rely on its `code`. An unknown path is `404 not_found`, and
a method that a path does not have `405 method_not_allowed`. `HEAD` is answered where `GET` is, without the body. A
request line with headers of more than 16 KiB is `431`, one that cannot be read at all `400`, both without a body.
Parameters and fields that are not in this document are refused, and so is a parameter that is given twice.";

/// The document of these routes.
pub fn document(routes: impl Iterator<Item = Route>) -> OpenApi {
    let (mut paths, mut components) = (Paths::new(), components());
    for (route, described) in routes.filter_map(|route| Some((route, describe(route)?))) {
        let (operation, schemas) = described.finish(route);
        paths.add_path_operation(route.pattern(), vec![method(route)], operation);
        components.schemas.extend(schemas);
    }
    let mut info = Info::new("flashsale", env!("CARGO_PKG_VERSION"));
    info.description = Some(DESCRIPTION.to_owned());
    info.license = Some(License::builder().name("MIT").identifier(Some("MIT")).build());
    let mut document = OpenApi::new(info, paths);
    document.components = Some(components);
    document.tags = Some([SHOPPING, LOOKING, OPERATING, ADMINISTRATION, DOCUMENTATION].map(Tag::new).into());
    document
}

fn components() -> Components {
    let mut components = Components::new();
    components.schemas.extend(problems::schemas());
    let responses = problems::responses().map(|(name, response)| (name.to_owned(), response.into()));
    components.responses.extend(responses);
    let (name, header) = problems::request_id_header();
    components.headers.insert(name.to_owned(), header.into());
    let (name, parameter) = problems::request_id();
    components.parameters.insert(name.to_owned(), parameter.into());
    let mut token = Http::new(HttpAuthScheme::Bearer);
    token.description = Some("The admin token of the service".to_owned());
    components.add_security_scheme(ADMIN_TOKEN, SecurityScheme::Http(token));
    components
}

/// What can be done at a route, other than `HEAD`.
fn method(route: Route) -> HttpMethod {
    match route.methods() {
        "POST" => HttpMethod::Post,
        "DELETE" => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

fn describe(route: Route) -> Option<Described> {
    Some(match route {
        Route::Checkout => shopping::checkout(),
        Route::Cart => shopping::cart(),
        Route::CartItem => shopping::cart_item(),
        Route::Purchase => shopping::purchase(),
        Route::Receipt => shopping::receipt(),
        Route::BuyNow => shopping::buy_now(),
        Route::ActiveSale => looking::active_sale(),
        Route::Sales => looking::sales(),
        Route::Sale => looking::sale(),
        Route::SaleItems => looking::sale_items(),
        Route::SoldFilter => looking::sold_filter(),
        Route::Item => looking::item(),
        Route::UserPurchases => looking::user_purchases(),
        Route::Live => operating::live(),
        Route::Ready => operating::ready(),
        Route::Health => operating::health(),
        Route::Metrics => operating::metrics(),
        Route::AdminSales => operating::create_sale(),
        Route::AdminSaleEnd => operating::end_sale(),
        Route::Document => operating::document(),
        Route::Docs => operating::docs(),
        Route::DocsFile => operating::docs_file(),
        Route::Unknown => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::settings::Surface;
    use super::*;

    #[test]
    fn a_listener_describes_what_it_has_and_nothing_else() {
        for surface in [Surface::Everything, Surface::Shopping, Surface::Operations] {
            let routes =
                || Route::ALL.into_iter().filter(move |route| *route != Route::Unknown && route.is_on(surface));
            let document = document(routes());
            let described: HashSet<&str> = document.paths.paths.keys().map(String::as_str).collect();
            assert_eq!(described, routes().map(Route::pattern).collect(), "{surface:?}");
            assert!(described.contains("/docs") && described.contains("/openapi.json"));
        }
    }

    #[test]
    fn ids_of_operations_are_unique() {
        let ids: Vec<String> = document(Route::ALL.into_iter())
            .paths
            .paths
            .values()
            .filter_map(|item| item.get.as_ref().or(item.post.as_ref()).or(item.delete.as_ref()))
            .filter_map(|operation| operation.operation_id.clone())
            .collect();
        assert_eq!((ids.len(), ids.iter().collect::<HashSet<_>>().len()), (Route::ALL.len() - 1, Route::ALL.len() - 1));
    }
}
