//! The description of an endpoint in the OpenAPI document.

use std::collections::{BTreeMap, BTreeSet};

use hyper::Method;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::content::{Content, ContentBuilder};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::Response;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Ref, RefOr, Required};

use super::super::policy::{Access, Policy};
use super::super::problem_code::ProblemCode;
use super::problems::{self, Members, Problems, REQUEST_ID};
use super::schema::{Schemas, reference, schemas_of, text};

/// The name of the admin token among the security schemes.
pub const ADMIN_TOKEN: &str = "adminToken";

/// The names of the token of a user, in the header and in the cookie.
pub const USER_TOKEN: &str = "userToken";
pub const USER_COOKIE: &str = "userCookie";

const JSON: &str = "application/json";

/// The description of an endpoint: its parameters, bodies, answers and problems.
pub struct Description {
    operation: OperationBuilder,
    examples: Value,
    answers: BTreeMap<u16, Response>,
    problems: BTreeSet<ProblemCode>,
    members: BTreeMap<ProblemCode, Members>,
    schemas: Schemas,
    names_user: bool,
}

impl Description {
    /// A description in the group `tag`. The `id` is unique and never changes, because generated clients name their
    /// functions after it.
    pub fn new(tag: &str, id: &'static str, summary: &str, description: &str) -> Self {
        let request_id = Ref::new(format!("#/components/parameters/{REQUEST_ID}"));
        let operation = OperationBuilder::new().tag(tag).operation_id(Some(id)).summary(Some(summary));
        Description {
            operation: operation.description(Some(description)).parameter_ref(request_id),
            examples: Value::Null,
            answers: BTreeMap::new(),
            problems: BTreeSet::new(),
            members: BTreeMap::new(),
            schemas: Schemas::new(),
            names_user: false,
        }
    }

    /// Adds examples: a JSON object with the body of the request (`request`) and of answers (by status). Bodies that are
    /// described after this get them.
    pub fn examples(mut self, examples: &str) -> Self {
        self.examples = serde_json::from_str(examples).unwrap_or_else(|error| unreachable!("a test reads it: {error}"));
        self
    }

    /// Adds a variable part of the path.
    pub fn path<T: ToSchema>(self, name: &str) -> Self {
        self.with_schema::<T>().path_of(name, reference::<T>())
    }

    /// Adds a variable part of the path whose schema has no name.
    pub fn path_of(self, name: &str, schema: impl Into<RefOr<Schema>>) -> Self {
        self.parameter(ParameterIn::Path, Required::True, name, schema.into(), None)
    }

    /// Adds an optional parameter of the query.
    pub fn query<T: ToSchema>(self, name: &str, description: &str) -> Self {
        self.query_of(name, T::schema(), description)
    }

    /// Adds an optional parameter of the query whose schema has no name.
    pub fn query_of(self, name: &str, schema: impl Into<RefOr<Schema>>, description: &str) -> Self {
        self.parameter(ParameterIn::Query, Required::False, name, without_examples(schema.into()), Some(description))
    }

    /// Adds an optional header of the request.
    pub fn request_header(self, name: &str, schema: impl Into<RefOr<Schema>>, description: &str) -> Self {
        self.parameter(ParameterIn::Header, Required::False, name, without_examples(schema.into()), Some(description))
    }

    /// Adds a header that a request must have.
    pub fn required_header(self, name: &str, schema: impl Into<RefOr<Schema>>, description: &str) -> Self {
        self.parameter(ParameterIn::Header, Required::True, name, schema.into(), Some(description))
    }

    /// Sets the JSON body of the request.
    pub fn body<T: ToSchema>(mut self, required: Required) -> Self {
        let content = self.json::<T>("request");
        let body = RequestBodyBuilder::new().content(JSON, content).required(Some(required)).build();
        self.operation = self.operation.request_body(Some(body));
        self.with_schema::<T>()
    }

    /// Adds an answer in JSON.
    pub fn answer<T: ToSchema>(self, status: u16, description: &str) -> Self {
        let content = self.json::<T>(&status.to_string());
        self.with_schema::<T>().answer_of(status, JSON, content, description)
    }

    /// Adds an answer of another media type.
    pub fn answer_as(self, status: u16, media_type: &str, schema: impl Into<Schema>, description: &str) -> Self {
        self.answer_of(status, media_type, Content::new(Some(schema.into())), description)
    }

    /// Adds an answer without a body.
    pub fn empty_answer(mut self, status: u16, description: &str) -> Self {
        self.answers.insert(status, problems::response(description).build());
        self
    }

    /// Adds a header to the answer of this status, which has been added before.
    pub fn header(mut self, status: u16, name: &str, description: &str) -> Self {
        self.answers.entry(status).and_modify(|answer| {
            let header = HeaderBuilder::new().schema(Some(text())).description(Some(description)).build();
            answer.headers.insert(name.to_owned(), header.into());
        });
        self
    }

    /// Adds problems, besides those that follow from the policy.
    pub fn problems(mut self, codes: impl IntoIterator<Item = ProblemCode>) -> Self {
        self.problems.extend(codes);
        self
    }

    /// Notes that a request names its user, and so may name another one than its token.
    pub fn names_user(self) -> Self {
        Description { names_user: true, ..self }
    }

    /// Adds a problem with an extension member.
    pub fn problem_with(mut self, code: ProblemCode, name: &'static str, schema: impl Into<RefOr<Schema>>) -> Self {
        self.members.entry(code).or_default().insert(name, schema.into());
        self.problems([code])
    }

    /// Adds the schema of a type that the bodies refer to in a way that utoipa does not see.
    pub fn with_schema<T: ToSchema>(mut self) -> Self {
        self.schemas.extend(schemas_of::<T>());
        self
    }

    /// Adds the extension members of this endpoint to the problems of the document.
    pub fn add_members_to(&self, problems: &mut Problems) {
        self.members.iter().for_each(|(code, members)| problems.add(*code, members));
    }

    /// Returns the operation for an endpoint of this method and policy, whose users are signed or not, and the schemas that
    /// it refers to.
    pub fn finish(
        mut self,
        method: &Method,
        policy: &Policy,
        is_signed: bool,
        problems: &Problems,
    ) -> (Operation, Schemas) {
        self.problems.extend(problems::of_policy(policy));
        if is_signed {
            self.problems.extend(problems::of_tokens(policy.access, method, self.names_user));
        }
        let mut codes: BTreeMap<u16, Vec<ProblemCode>> = BTreeMap::new();
        for code in self.problems {
            codes.entry(code.status().as_u16()).or_default().push(code);
        }
        let mut operation = self.operation;
        for (status, answer) in self.answers {
            let answer = if policy.is_rate_limited { problems::with_rate_limits(answer) } else { answer };
            let answer = match codes.remove(&status) {
                Some(codes) => problems.add_to(answer, &codes),
                None => answer,
            };
            operation = operation.response(status.to_string(), answer);
        }
        for (status, codes) in codes {
            operation = operation.response(status.to_string(), problems.answer(&codes));
        }
        if policy.access == Access::AdminToken {
            operation = operation.security(SecurityRequirement::new(ADMIN_TOKEN, [] as [&str; 0]));
        }
        if is_signed && policy.access == Access::User {
            for scheme in [USER_TOKEN, USER_COOKIE] {
                operation = operation.security(SecurityRequirement::new(scheme, [] as [&str; 0]));
            }
        }
        (operation.build(), self.schemas)
    }

    fn answer_of(mut self, status: u16, media_type: &str, content: Content, description: &str) -> Self {
        let answer = problems::response(description).content(media_type, content);
        self.answers.insert(status, answer.build());
        self
    }

    fn parameter(
        mut self,
        place: ParameterIn,
        required: Required,
        name: &str,
        schema: RefOr<Schema>,
        description: Option<&str>,
    ) -> Self {
        let parameter = ParameterBuilder::new().name(name).parameter_in(place).required(required);
        self.operation = self.operation.parameter(parameter.description(description).schema(Some(schema)));
        self
    }

    fn json<T: ToSchema>(&self, part: &str) -> Content {
        ContentBuilder::new().schema(Some(reference::<T>())).example(self.examples.get(part).cloned()).build()
    }
}

/// Removes the examples of an optional parameter. A page that fills them in would send a value in the query and in the
/// body.
fn without_examples(mut schema: RefOr<Schema>) -> RefOr<Schema> {
    if let RefOr::T(Schema::Object(object)) = &mut schema {
        object.examples.clear();
        object.default = None;
    }
    schema
}
