//! Makes the document of a listener.

use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Components, HttpMethod, Info, License, OpenApi, Paths, Required, Tag};

use hyper::Method;

use super::super::endpoint::{Api, Endpoint};
use super::super::limits::rate_limit::{RATE_LIMIT, RATE_LIMIT_POLICY};
use super::super::problem::ProblemBody;
use super::super::request_id::REQUEST_ID_CHARS_MAX;
use super::description::{ADMIN_TOKEN, Description, USER_COOKIE, USER_TOKEN};
use super::problems::{Problems, REQUEST_ID};
use super::schema::{schemas_of, text};

/// Returns the document of these endpoints of the interface, whose users are signed or not.
pub fn document(api: &Api, endpoints: &[&'static Endpoint], is_signed: bool) -> OpenApi {
    let described: Vec<(&Endpoint, Description)> =
        endpoints.iter().map(|endpoint| (*endpoint, (endpoint.describe)())).collect();
    let mut problems = Problems::default();
    described.iter().for_each(|(_, description)| description.add_members_to(&mut problems));

    let (mut paths, mut components) = (Paths::new(), components(&problems, is_signed));
    for (endpoint, description) in described {
        let (operation, schemas) = description.finish(&endpoint.method, &endpoint.policy, is_signed, &problems);
        paths.add_path_operation(endpoint.path, vec![method(&endpoint.method)], operation);
        components.schemas.extend(schemas);
    }
    let mut info = Info::new("flashsale", env!("CARGO_PKG_VERSION"));
    info.description = Some((api.introduction)());
    info.license = Some(License::builder().name("MIT").identifier(Some("MIT")).build());
    let mut document = OpenApi::new(info, paths);
    document.components = Some(components);
    document.tags = Some(api.tags.iter().map(Tag::new).collect());
    document
}

fn components(problems: &Problems, is_signed: bool) -> Components {
    let mut components = Components::new();
    components.schemas.extend(schemas_of::<ProblemBody>());
    components.responses.extend(problems.responses());
    let limits = "Only in answers to shoppers where a limit is set: \
                  draft-ietf-httpapi-ratelimit-headers-11";
    for (name, description) in [
        (REQUEST_ID, "The id of the request in the logs: that of the request if it was valid, otherwise a random one"),
        (RATE_LIMIT_POLICY, &format!("The limits that the request was counted for, and their sizes. {limits}")),
        (RATE_LIMIT, &format!("The requests that are left of these limits. {limits}")),
    ] {
        let header = HeaderBuilder::new().schema(Some(text())).description(Some(description)).build();
        components.headers.insert(name.to_owned(), header.into());
    }
    components.parameters.insert(REQUEST_ID.to_owned(), request_id_parameter().into());
    let mut token = Http::new(HttpAuthScheme::Bearer);
    token.description = Some("The admin token of the service".to_owned());
    components.add_security_scheme(ADMIN_TOKEN, SecurityScheme::Http(token));
    if is_signed {
        add_user_schemes(&mut components);
    }
    components
}

fn add_user_schemes(components: &mut Components) {
    let mut token = Http::new(HttpAuthScheme::Bearer);
    token.bearer_format = Some("JWT".to_owned());
    token.description = Some("The token of a user: a compact JWS (HS256 or EdDSA) with `sub` and `exp`".to_owned());
    components.add_security_scheme(USER_TOKEN, SecurityScheme::Http(token));
    let description = "The same as a cookie. Requests that change something need an `Origin` of the same site";
    let cookie = ApiKeyValue::with_description("__Host-session", description);
    components.add_security_scheme(USER_COOKIE, SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
}

fn request_id_parameter() -> Parameter {
    let schema = ObjectBuilder::new().schema_type(Type::String).examples(["follow-me-1"]);
    let description = format!(
        "The id of the request in the logs: 1 to {REQUEST_ID_CHARS_MAX} of `[A-Za-z0-9._-]`; any other id is replaced"
    );
    let parameter = ParameterBuilder::new().name("X-Request-Id").parameter_in(ParameterIn::Header);
    parameter.required(Required::False).description(Some(description)).schema(Some(schema)).build()
}

fn method(method: &Method) -> HttpMethod {
    match *method {
        Method::GET => HttpMethod::Get,
        Method::POST => HttpMethod::Post,
        Method::DELETE => HttpMethod::Delete,
        _ => unreachable!("no endpoint has the method {method}"),
    }
}
