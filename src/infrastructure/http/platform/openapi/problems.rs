//! Problems in the document. Each is described once; operations refer to it.

use std::collections::BTreeMap;

use hyper::Method;
use utoipa::openapi::content::{Content, ContentBuilder};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::{Ref, RefOr};

use super::super::limits::rate_limit::{RATE_LIMIT, RATE_LIMIT_POLICY};
use super::super::policy::{Accepts, Access, Policy};
use super::super::problem::ProblemBody;
use super::super::problem_code::ProblemCode;
use super::examples;
use super::schema::{reference, text};

const PROBLEM_JSON: &str = "application/problem+json";

/// The name of the header with the request id among the components.
pub const REQUEST_ID: &str = "RequestId";

/// The extension members of a problem, with their schemas.
pub type Members = BTreeMap<&'static str, RefOr<Schema>>;

/// The problems of a document, with the extension members that any of its endpoints adds to them.
#[derive(Default)]
pub struct Problems(BTreeMap<ProblemCode, Members>);

/// Returns the codes that the policy of an endpoint can lead to.
pub fn of_policy(policy: &Policy) -> impl Iterator<Item = ProblemCode> {
    let body = [ProblemCode::RequestTimeout, ProblemCode::BodyTooLarge, ProblemCode::UnsupportedMediaType];
    let admin = [ProblemCode::Unauthorized, ProblemCode::Forbidden];
    let (has_body, is_admin) = (policy.accepts == Accepts::Json, policy.access == Access::AdminToken);
    [ProblemCode::Internal, ProblemCode::Unavailable]
        .into_iter()
        .chain(body.into_iter().filter(move |_| has_body))
        .chain(admin.into_iter().filter(move |_| is_admin))
        .chain(policy.is_rate_limited.then_some(ProblemCode::RateLimited))
}

/// Returns the codes that the token of a user can lead to.
pub fn of_tokens(access: Access, method: &Method, names_user: bool) -> impl Iterator<Item = ProblemCode> {
    let is_of_user = access == Access::User;
    let reads_token = is_of_user || access == Access::Visitor;
    [
        reads_token.then_some(ProblemCode::TokenRequired),
        reads_token.then_some(ProblemCode::InvalidToken),
        (is_of_user && !method.is_safe()).then_some(ProblemCode::ForeignOrigin),
        (is_of_user && names_user).then_some(ProblemCode::NotYou),
    ]
    .into_iter()
    .flatten()
}

impl Problems {
    /// Adds extension members to the problems with this code.
    pub fn add(&mut self, code: ProblemCode, members: &Members) {
        self.0.entry(code).or_default().extend(members.iter().map(|(name, schema)| (*name, schema.clone())));
    }

    /// Returns the answer with one of these codes, which have the same status.
    pub fn answer(&self, codes: &[ProblemCode]) -> RefOr<Response> {
        match codes {
            [code] => Ref::from_response_name(code.word()).into(),
            codes => self.response(codes).into(),
        }
    }

    /// Adds problems to an answer that has the same status.
    pub fn add_to(&self, mut answer: Response, codes: &[ProblemCode]) -> Response {
        let problem = self.response(codes);
        answer.description = format!("{}. Or: {}", answer.description, problem.description);
        answer.headers.extend(problem.headers);
        answer.content.extend(problem.content);
        answer
    }

    /// Returns a response for every code, by its word.
    pub fn responses(&self) -> impl Iterator<Item = (String, RefOr<Response>)> {
        ProblemCode::ALL.iter().map(|code| (code.word().to_owned(), self.response(&[*code]).into()))
    }

    fn response(&self, codes: &[ProblemCode]) -> Response {
        let titles: Vec<String> = codes.iter().map(|code| format!("{} (`{}`)", code.title(), code.word())).collect();
        let answer = response(&titles.join("; ")).content(PROBLEM_JSON, self.content(codes));
        let headers = codes.iter().filter_map(|code| header(*code));
        let answer = headers.fold(answer, |answer, (name, header)| answer.header(name, header)).build();
        with_rate_limits(answer)
    }

    fn content(&self, codes: &[ProblemCode]) -> Content {
        let words = codes.iter().map(|code| code.word());
        let code = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words));
        let own = ObjectBuilder::new().schema_type(Type::Object).property("code", code);
        let members = codes.iter().filter_map(|code| self.0.get(code)).flatten();
        let own = members.fold(own, |own, (name, schema)| own.property(*name, schema.clone()));
        let schema = AllOfBuilder::new().item(reference::<ProblemBody>()).item(own);
        let examples = codes.iter().filter_map(|code| {
            let example = ExampleBuilder::new().summary(code.title()).value(Some(examples::of_problem(*code)?));
            Some((code.word(), example))
        });
        ContentBuilder::new().schema(Some(schema)).examples_from_iter(examples).build()
    }
}

/// Returns a response with the header that every response has.
pub fn response(description: &str) -> ResponseBuilder {
    ResponseBuilder::new().description(description).header_ref("X-Request-Id", header_ref(REQUEST_ID))
}

/// Adds the headers about rate limits to a response.
pub fn with_rate_limits(mut answer: Response) -> Response {
    let headers = [RATE_LIMIT_POLICY, RATE_LIMIT].map(|name| (name.to_owned(), RefOr::Ref(header_ref(name))));
    answer.headers.extend(headers);
    answer
}

/// Returns a reference to a header among the components.
fn header_ref(name: &str) -> Ref {
    Ref::new(format!("#/components/headers/{name}"))
}

fn header(code: ProblemCode) -> Option<(&'static str, Header)> {
    let (name, description) = match code {
        ProblemCode::Unavailable | ProblemCode::RateLimited => ("Retry-After", "Seconds after which to try again"),
        ProblemCode::AdmissionRequired => ("Link", "The waiting room, as `queue`"),
        ProblemCode::MethodNotAllowed => ("Allow", "The methods of the path"),
        ProblemCode::DuplicateRequest => ("Order-Status", "The present status of the order, as in the 200"),
        code if code.challenge().is_some() => ("WWW-Authenticate", "`Bearer`, with the error if there is one"),
        _ => return None,
    };
    Some((name, HeaderBuilder::new().schema(Some(text())).description(Some(description)).build()))
}
