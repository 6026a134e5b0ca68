//! Running the service.

use utoipa::PartialSchema;
use utoipa::openapi::Required;
use utoipa::openapi::schema::{Object, ObjectBuilder, Schema, Type};

use crate::domain::shared::SaleId;

use super::super::code::ProblemCode;
use super::super::docs;
use super::super::{health, new_sale, sales, scrape};
use super::operation::{Described, text};
use super::{ADMINISTRATION, DOCUMENTATION, OPERATING};

pub fn live() -> Described {
    Described::new(OPERATING, "isLive", "Whether the process runs", "For whoever would restart it.")
        .answer::<health::Alive>(200, "It runs")
}

pub fn ready() -> Described {
    let description = "Redis, PostgreSQL and the writer of the ledger. For whoever sends it requests.";
    of_health(Described::new(OPERATING, "isReady", "Whether the service can serve", description))
}

pub fn health() -> Described {
    of_health(Described::new(OPERATING, "getHealth", "How the service is", "The same as `/health/ready`."))
}

fn of_health(described: Described) -> Described {
    described
        .answer::<health::Body>(200, "Everything that is needed is there")
        .answer::<health::Body>(503, "Something is missing")
}

pub fn metrics() -> Described {
    Described::new(OPERATING, "getMetrics", "Everything that is measured", "For Prometheus.").answer_as(
        200,
        scrape::MEDIA_TYPE,
        text(),
        "Metrics",
    )
}

pub fn create_sale() -> Described {
    Described::new(ADMINISTRATION, "createSale", "Make a sale", "Besides the hourly ones.")
        .body::<new_sale::Body>(Required::True)
        .answer::<sales::About>(201, "The sale")
        .header(201, "Location", "Where the sale is")
        .refuses([ProblemCode::InvalidRequest, ProblemCode::TooManySales])
}

pub fn end_sale() -> Described {
    Described::new(ADMINISTRATION, "endSale", "End a sale now", "Ending one that has ended changes nothing.")
        .path::<SaleId>("id")
        .answer::<sales::About>(200, "The sale, ended")
        .refuses([ProblemCode::InvalidRequest, ProblemCode::SaleNotFound])
}

pub fn document() -> Described {
    let description = "Describes what can be asked where it was got, and nothing else.";
    cached(Described::new(DOCUMENTATION, "getDocument", "This document", description).answer_as(
        200,
        "application/json",
        Object::with_type(Type::Object),
        "The document",
    ))
}

pub fn docs() -> Described {
    Described::new(DOCUMENTATION, "getDocs", "This document for people", "Leads to Swagger UI.")
        .empty_answer(308, "There it is")
        .header(308, "Location", "Where it is")
}

pub fn docs_file() -> Described {
    let described =
        Described::new(DOCUMENTATION, "getDocsFile", "A file of Swagger UI", "Needs nothing from elsewhere.")
            .path_of("file", ObjectBuilder::new().schema_type(Type::String).enum_values(Some(docs::file_names())));
    let described = described.answer_as(200, "*/*", Schema::default(), "The file").refuses([ProblemCode::NotFound]);
    cached(described)
}

fn cached(described: Described) -> Described {
    described
        .asks_header("If-None-Match", String::schema(), "The `ETag` of what the caller has")
        .empty_answer(304, "The caller has it already")
        .header(200, "ETag", "Changes with what is answered")
        .header(304, "ETag", "Changes with what is answered")
}
