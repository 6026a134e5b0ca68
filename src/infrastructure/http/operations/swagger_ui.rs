//! `GET /docs/{file}`: sends a file of Swagger UI, which shows the OpenAPI document.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use hyper::Method;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa_swagger_ui::Config;

use crate::infrastructure::http::platform::page::{Page, describe_cached};
use crate::infrastructure::http::platform::router::not_found;
use crate::infrastructure::http::platform::{Answer, ApiRequest, Description, Endpoint, Policy, Problem, ProblemCode};

use super::DOCUMENTATION;

/// The files that the page needs, with their media types.
const FILES: [(&str, &str); 8] = [
    ("index.html", "text/html; charset=utf-8"),
    ("index.css", "text/css; charset=utf-8"),
    ("swagger-ui.css", "text/css; charset=utf-8"),
    ("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
    ("swagger-ui-standalone-preset.js", "text/javascript; charset=utf-8"),
    ("swagger-initializer.js", "text/javascript; charset=utf-8"),
    ("favicon-16x16.png", "image/png"),
    ("favicon-32x32.png", "image/png"),
];

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/docs/{file}",
    policy: Policy::DOCUMENTATION,
    describe,
    handler: |_context, request| Box::pin(async { get(request) }),
};

fn describe() -> Description {
    let names = FILES.iter().map(|(name, _)| *name);
    let name = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
    let description = "The page loads nothing from other hosts.";
    let described = Description::new(DOCUMENTATION, "getDocsFile", "Get a file of Swagger UI", description)
        .path_of("file", name)
        .answer_as(200, "*/*", Schema::default(), "The file")
        .problems([ProblemCode::NotFound]);
    describe_cached(described)
}

fn get(request: &ApiRequest) -> Result<Answer, Problem> {
    static PAGES: LazyLock<HashMap<&str, Page>> = LazyLock::new(swagger_ui);
    PAGES.get(request.params.text("file")).map(|page| page.answer(&request.head.headers)).ok_or_else(not_found)
}

fn swagger_ui() -> HashMap<&'static str, Page> {
    // Without this setting, the page would send the document to a validator on the Internet.
    let config = Arc::new(Config::new(["../openapi.json"]).validator_url("none").try_it_out_enabled(true));
    let page = |(name, media_type): (&'static str, &'static str)| {
        let file = utoipa_swagger_ui::serve(name, config.clone()).ok()??;
        Some((name, Page::new(media_type, file.bytes.into_owned())))
    };
    FILES.into_iter().filter_map(page).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str) -> String {
        let pages = swagger_ui();
        let page = pages.get(name).unwrap_or_else(|| panic!("no {name}"));
        String::from_utf8(page.bytes().to_vec()).unwrap()
    }

    #[test]
    fn every_file_exists() {
        let pages = swagger_ui();
        for (name, _) in FILES {
            assert!(pages.get(name).is_some_and(|page| page.bytes().len() > 100), "{name}");
        }
    }

    #[test]
    fn the_page_loads_nothing_from_other_hosts() {
        let page = text("index.html");
        let mut references: Vec<&str> = Vec::new();
        for attribute in ["src=\"", "href=\""] {
            references.extend(page.split(attribute).skip(1).filter_map(|rest| rest.split('"').next()));
        }
        assert!(references.len() >= 7, "{references:?}");
        for reference in references {
            let name = reference.trim_start_matches("./");
            assert!(FILES.iter().any(|(known, _)| *known == name), "{reference}");
        }
        assert!(!page.contains("<style") && !page.contains("://"), "{page}");
        for css in ["index.css", "swagger-ui.css"] {
            let css = text(css);
            assert!(!css.contains("@import"));
            assert!(css.split("url(").skip(1).all(|rest| rest.trim_start_matches(['"', '\'']).starts_with("data:")));
        }
    }

    #[test]
    fn the_page_shows_our_document_and_sends_it_nowhere() {
        let initializer = text("swagger-initializer.js");
        assert!(initializer.contains(r#""url": "../openapi.json""#), "{initializer}");
        assert!(initializer.contains(r#""validatorUrl": "none""#), "{initializer}");
        assert!(!initializer.contains("://"), "{initializer}");
    }
}
