//! The words in which an operation is described.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::content::{Content, ContentBuilder};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Ref, RefOr, Required};

use super::super::code::ProblemCode;
use super::super::router::Route;
use super::{ADMIN_TOKEN, examples, problems};

/// Schemas by their names.
pub type Schemas = BTreeMap<String, RefOr<Schema>>;

const JSON: &str = "application/json";

/// What can be done at a path, while it is being described.
pub struct Described {
    id: &'static str,
    operation: OperationBuilder,
    answers: BTreeMap<u16, Response>,
    refusals: BTreeSet<ProblemCode>,
    schemas: Schemas,
}

impl Described {
    /// An operation; `id` is unique and never changes.
    pub fn new(tag: &str, id: &'static str, summary: &str, description: &str) -> Self {
        let operation = OperationBuilder::new().tag(tag).operation_id(Some(id)).summary(Some(summary));
        Described {
            id,
            operation: operation.description(Some(description)).parameter_ref(problems::request_id_parameter()),
            answers: BTreeMap::new(),
            refusals: BTreeSet::new(),
            schemas: Schemas::new(),
        }
    }

    /// A variable part of the path.
    pub fn path<T: ToSchema>(self, name: &str) -> Self {
        self.with_schema::<T>().path_of(name, reference::<T>())
    }

    /// A variable part of the path of a kind that has no name of its own.
    pub fn path_of(self, name: &str, schema: impl Into<RefOr<Schema>>) -> Self {
        self.parameter(ParameterIn::Path, name, schema.into(), None)
    }

    /// A parameter of the query, which may be left out.
    pub fn query<T: ToSchema>(self, name: &str, description: &str) -> Self {
        self.with_schema::<T>().query_of(name, reference::<T>(), description)
    }

    /// A parameter of the query of a kind that has no name of its own.
    pub fn query_of(self, name: &str, schema: impl Into<RefOr<Schema>>, description: &str) -> Self {
        self.parameter(ParameterIn::Query, name, schema.into(), Some(description))
    }

    /// A header of the request, which may be left out.
    pub fn asks_header(self, name: &str, schema: impl Into<RefOr<Schema>>, description: &str) -> Self {
        self.parameter(ParameterIn::Header, name, schema.into(), Some(description))
    }

    /// A JSON body.
    pub fn body<T: ToSchema>(mut self, required: Required) -> Self {
        let content = json::<T>(self.id, "request");
        let body = RequestBodyBuilder::new().content(JSON, content).required(Some(required)).build();
        self.operation = self.operation.request_body(Some(body));
        self.with_schema::<T>()
    }

    /// An answer in JSON.
    pub fn answer<T: ToSchema>(self, status: u16, description: &str) -> Self {
        let content = json::<T>(self.id, &status.to_string());
        self.with_schema::<T>().answer_of(status, JSON, content, description)
    }

    /// An answer of another media type.
    pub fn answer_as(self, status: u16, media_type: &str, schema: impl Into<Schema>, description: &str) -> Self {
        self.answer_of(status, media_type, Content::new(Some(schema.into())), description)
    }

    /// An answer without a body.
    pub fn empty_answer(mut self, status: u16, description: &str) -> Self {
        self.answers.insert(status, problems::response(description).build());
        self
    }

    /// A header of the answer of this status, which has been described.
    pub fn header(mut self, status: u16, name: &str, description: &str) -> Self {
        self.answers.entry(status).and_modify(|answer| {
            let header = HeaderBuilder::new().schema(Some(text())).description(Some(description)).build();
            answer.headers.insert(name.to_owned(), header.into());
        });
        self
    }

    /// What goes wrong there, apart from what can go wrong everywhere.
    pub fn refuses(mut self, codes: impl IntoIterator<Item = ProblemCode>) -> Self {
        self.refusals.extend(codes);
        self
    }

    /// The operation of this route, and the schemas that it refers to.
    pub fn finish(mut self, route: Route) -> (Operation, Schemas) {
        self.refusals.extend(problems::of_every(route));
        let mut refusals: BTreeMap<u16, Vec<ProblemCode>> = BTreeMap::new();
        for code in self.refusals {
            refusals.entry(code.status().as_u16()).or_default().push(code);
        }
        let mut operation = self.operation;
        for (status, answer) in self.answers {
            let answer = match refusals.remove(&status) {
                Some(codes) => problems::beside(answer, &codes),
                None => answer,
            };
            operation = operation.response(status.to_string(), answer);
        }
        for (status, codes) in refusals {
            operation = operation.response(status.to_string(), problems::answered(&codes));
        }
        if route.is_admin() {
            operation = operation.security(SecurityRequirement::new(ADMIN_TOKEN, [] as [&str; 0]));
        }
        (operation.build(), self.schemas)
    }

    fn answer_of(mut self, status: u16, media_type: &str, content: Content, description: &str) -> Self {
        let answer: ResponseBuilder = problems::response(description).content(media_type, content);
        self.answers.insert(status, answer.build());
        self
    }

    fn parameter(mut self, place: ParameterIn, name: &str, schema: RefOr<Schema>, description: Option<&str>) -> Self {
        let required = if place == ParameterIn::Path { Required::True } else { Required::False };
        let parameter = ParameterBuilder::new().name(name).parameter_in(place).required(required);
        self.operation = self.operation.parameter(parameter.description(description).schema(Some(schema)));
        self
    }

    fn with_schema<T: ToSchema>(mut self) -> Self {
        let mut used = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut used);
        self.schemas.extend(used);
        self
    }
}

/// The schema of this name.
pub fn reference<T: ToSchema>() -> RefOr<Schema> {
    Ref::from_schema_name(T::name()).into()
}

/// Any text.
pub fn text() -> Schema {
    ObjectBuilder::new().schema_type(Type::String).into()
}

fn json<T: ToSchema>(operation: &str, part: &str) -> Content {
    let example: Option<Value> = examples::of(operation, part);
    ContentBuilder::new().schema(Some(reference::<T>())).example(example).build()
}
