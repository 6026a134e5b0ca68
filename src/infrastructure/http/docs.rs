//! `GET /openapi.json`, `/docs` and `/docs/{file}`: the document, and Swagger UI to read it with.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, HeaderMap, HeaderValue, LOCATION, X_CONTENT_TYPE_OPTIONS,
};
use utoipa_swagger_ui::Config;

use super::answer::{self, Answer};
use super::etag;
use super::front::{Front, not_found};
use super::problem::Problem;
use super::request::ApiRequest;

/// The files of Swagger UI that its page needs, and what they are.
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

/// The page asks nobody else for anything. It sets styles of elements from its own code.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The document of a listener.
pub fn document(front: &Front, asked: &ApiRequest) -> Answer {
    front.document().answer(&asked.head.headers)
}

/// The way to the page, whose files have its directory in common.
pub fn page() -> Answer {
    let mut answer = Answer::default();
    *answer.status_mut() = StatusCode::PERMANENT_REDIRECT;
    answer.headers_mut().insert(LOCATION, HeaderValue::from_static("docs/index.html"));
    answer
}

/// A file of Swagger UI.
pub fn file(asked: &ApiRequest) -> Result<Answer, Problem> {
    static PAGES: LazyLock<HashMap<&str, Page>> = LazyLock::new(swagger_ui);
    PAGES.get(asked.params.text("file")).map(|page| page.answer(&asked.head.headers)).ok_or_else(not_found)
}

/// The names of the files.
pub fn file_names() -> [&'static str; FILES.len()] {
    FILES.map(|(name, _)| name)
}

/// Something that stays the same while the process runs.
#[derive(Debug)]
pub struct Page {
    media_type: &'static str,
    tag: String,
    bytes: Bytes,
}

impl Page {
    /// Bytes of this media type.
    pub fn new(media_type: &'static str, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Page { media_type, tag: etag::of(&bytes), bytes }
    }

    fn answer(&self, asked: &HeaderMap) -> Answer {
        let (status, bytes) = match etag::is_known(asked, &self.tag) {
            true => (StatusCode::NOT_MODIFIED, Bytes::new()),
            false => (StatusCode::OK, self.bytes.clone()),
        };
        let mut answer = answer::of_type(self.media_type, status, bytes);
        let headers = answer.headers_mut();
        headers.extend(HeaderValue::try_from(&self.tag).ok().map(|tag| (ETAG, tag)));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        answer
    }
}

fn swagger_ui() -> HashMap<&'static str, Page> {
    // Without a word about it, the page would send the document to a validator on the Internet.
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
        String::from_utf8(page.bytes.to_vec()).unwrap()
    }

    #[test]
    fn every_file_is_there() {
        let pages = swagger_ui();
        for (name, _) in FILES {
            assert!(pages.get(name).is_some_and(|page| page.bytes.len() > 100), "{name}");
        }
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
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
    fn the_page_shows_our_document_and_tells_nobody() {
        let initializer = text("swagger-initializer.js");
        assert!(initializer.contains(r#""url": "../openapi.json""#), "{initializer}");
        assert!(initializer.contains(r#""validatorUrl": "none""#), "{initializer}");
        assert!(!initializer.contains("://"), "{initializer}");
    }
}
