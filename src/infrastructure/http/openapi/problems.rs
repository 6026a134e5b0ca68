//! What goes wrong, as the document tells it. Each problem is described once; operations refer to it.

use utoipa::openapi::content::{Content, ContentBuilder};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, Type};
use utoipa::openapi::{Ref, RefOr, Required};
use utoipa::{PartialSchema, ToSchema};

use super::super::code::ProblemCode;
use super::super::problem;
use super::super::router::Route;
use super::examples;
use super::operation::{Schemas, reference, text};

const PROBLEM_JSON: &str = "application/problem+json";

/// The name that the header with the request id has among the components.
const REQUEST_ID: &str = "RequestId";

/// What can go wrong with every request for this route.
pub fn of_every(route: Route) -> impl Iterator<Item = ProblemCode> {
    let body = [ProblemCode::RequestTimeout, ProblemCode::BodyTooLarge, ProblemCode::UnsupportedMediaType];
    let admin = [ProblemCode::Unauthorized, ProblemCode::Forbidden];
    let is_limited = !route.is_operational() && !route.is_admin();
    [ProblemCode::Internal, ProblemCode::Unavailable]
        .into_iter()
        .chain(body.into_iter().filter(move |_| route.takes_body()))
        .chain(admin.into_iter().filter(move |_| route.is_admin()))
        .chain(is_limited.then_some(ProblemCode::RateLimited))
}

/// An answer of these codes, which have one status.
pub fn answered(codes: &[ProblemCode]) -> RefOr<Response> {
    match codes {
        [code] => Ref::from_response_name(code.word()).into(),
        codes => described(codes).into(),
    }
}

/// An answer that is something else at one time, and of these codes at another.
pub fn beside(mut answer: Response, codes: &[ProblemCode]) -> Response {
    let problem = described(codes);
    answer.description = format!("{}. Or: {}", answer.description, problem.description);
    answer.headers.extend(problem.headers);
    answer.content.extend(problem.content);
    answer
}

/// Every code as a response on its own, by its word.
pub fn responses() -> impl Iterator<Item = (&'static str, Response)> {
    ProblemCode::ALL.into_iter().map(|code| (code.word(), described(&[code])))
}

/// The schema of a problem, and those that it refers to.
pub fn schemas() -> Schemas {
    let mut used = vec![(problem::Body::name().into_owned(), problem::Body::schema())];
    problem::Body::schemas(&mut used);
    used.into_iter().collect()
}

/// A response with the headers that every response has.
pub fn response(description: &str) -> ResponseBuilder {
    let request_id = Ref::new(format!("#/components/headers/{REQUEST_ID}"));
    ResponseBuilder::new().description(description).header_ref("X-Request-Id", request_id)
}

/// The header that every response has, by its name among the components.
pub fn request_id_header() -> (&'static str, Header) {
    let description = "What the request is called in the logs: the id that the caller sent, if it was a sane one";
    (REQUEST_ID, HeaderBuilder::new().schema(Some(text())).description(Some(description)).build())
}

/// The header that every request may have.
pub fn request_id_parameter() -> Ref {
    Ref::new(format!("#/components/parameters/{REQUEST_ID}"))
}

/// What [`request_id_parameter`] refers to.
pub fn request_id() -> (&'static str, Parameter) {
    let schema = ObjectBuilder::new().schema_type(Type::String).examples(["follow-me-1"]);
    let description = "What to call the request in the logs: 1 to 128 of `[A-Za-z0-9._-]`; any other is replaced";
    let parameter = ParameterBuilder::new().name("X-Request-Id").parameter_in(ParameterIn::Header);
    let parameter = parameter.required(Required::False).description(Some(description)).schema(Some(schema));
    (REQUEST_ID, parameter.build())
}

fn described(codes: &[ProblemCode]) -> Response {
    let titles: Vec<String> = codes.iter().map(|code| format!("{} (`{}`)", code.facts().2, code.word())).collect();
    let answer = response(&titles.join("; ")).content(PROBLEM_JSON, content(codes));
    codes
        .iter()
        .filter_map(|code| header(*code))
        .fold(answer, |answer, (name, header)| answer.header(name, header))
        .build()
}

fn content(codes: &[ProblemCode]) -> Content {
    let words = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(codes.iter().map(|code| code.word())));
    let schema = AllOfBuilder::new()
        .item(reference::<problem::Body>())
        .item(ObjectBuilder::new().schema_type(Type::Object).property("code", words));
    let examples = codes.iter().filter_map(|code| {
        let example = ExampleBuilder::new().summary(code.facts().2).value(Some(examples::of_problem(*code)?));
        Some((code.word(), example))
    });
    ContentBuilder::new().schema(Some(schema)).examples_from_iter(examples).build()
}

fn header(code: ProblemCode) -> Option<(&'static str, Header)> {
    let (name, description) = match code {
        ProblemCode::Unavailable | ProblemCode::RateLimited => ("Retry-After", "Seconds after which to try again"),
        ProblemCode::MethodNotAllowed => ("Allow", "The methods that there are"),
        ProblemCode::Unauthorized => ("WWW-Authenticate", "`Bearer`"),
        _ => return None,
    };
    Some((name, HeaderBuilder::new().schema(Some(text())).description(Some(description)).build()))
}
