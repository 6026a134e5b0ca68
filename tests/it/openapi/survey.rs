//! Sends requests, checks every answer against the document, and remembers what was seen.

use std::collections::BTreeSet;

use hyper::Method;
use serde_json::Value;

use super::document::{Case, Document};
use crate::harness::client::{Answer, Client};

/// Headers of HTTP itself, or of the page of the documentation.
const NOT_DESCRIBED: [&str; 8] = [
    "cache-control",
    "connection",
    "content-length",
    "content-security-policy",
    "content-type",
    "date",
    "transfer-encoding",
    "x-content-type-options",
];

pub struct Survey {
    pub document: Document,
    pub cases: BTreeSet<Case>,
    /// Fields of answers; fields and parameters of accepted requests.
    pub answered: BTreeSet<String>,
    pub taken: BTreeSet<String>,
    pub headers: BTreeSet<String>,
}

impl Survey {
    pub fn new(document: Document) -> Self {
        let (cases, answered, taken, headers) = Default::default();
        Survey { document, cases, answered, taken, headers }
    }

    /// Sends a request. Fails unless the answer is expected (`200`, `409 item_sold`) and documented.
    pub async fn ask(&mut self, client: &Client, line: &str, body: Value, expected: &str) -> Answer {
        self.ask_with(client, line, &[], body, expected).await
    }

    /// The same with headers.
    pub async fn ask_with(
        &mut self,
        client: &Client,
        line: &str,
        headers: &[(&str, &str)],
        body: Value,
        expected: &str,
    ) -> Answer {
        let (method, path) = line.split_once(' ').expect("a method and a path");
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let answer = send(client, method, path, headers, &text).await;
        let case = self.note(method, path, &answer);
        assert_eq!(format!("{} {}", case.2, case.3).trim(), expected, "{line}: {:?}", answer.body);
        if answer.status.is_success() || answer.status.is_redirection() {
            self.take(method, path, headers, &body);
        }
        if method == "GET" && !answer.status.is_server_error() {
            let head = send(client, "HEAD", path, headers, "").await;
            assert_eq!((head.status, head.body.len()), (answer.status, 0), "HEAD {path}");
            // How a body is sent, and that it is the last one of the connection.
            let of_body = ["content-length", "transfer-encoding", "connection"];
            let mut headers = answer.headers.keys().filter(|name| !of_body.contains(&name.as_str()));
            assert!(headers.all(|name| head.headers.contains_key(name)), "HEAD {path}: {head:?}");
        }
        answer
    }

    /// Fails unless the answer is documented.
    #[track_caller]
    pub fn note(&mut self, method: &str, path: &str, answer: &Answer) -> Case {
        let path = path.split('?').next().expect("a path");
        let pattern = self.document.pattern_of(path).unwrap_or_else(|| panic!("{path} is not documented")).to_owned();
        let status = answer.status.as_u16();
        let what = format!("{method} {pattern} {status}");
        let response = self.document.response(method, &pattern, status);
        let response = response.unwrap_or_else(|| panic!("{what} is not documented: {:?}", answer.body));

        let media_type = answer.header("content-type").unwrap_or_default();
        let content = response.get("content").and_then(|content| content.get(media_type).or(content.get("*/*")));
        match content {
            Some(content) if media_type.ends_with("json") => {
                let (schema, body) = (&content["schema"], answer.json());
                self.document.check(schema, &body, &what);
                self.answered.extend(self.document.fields(schema, Some(&body)));
            }
            Some(_) => assert!(!answer.body.is_empty(), "{what} has a body"),
            None => assert!(answer.body.is_empty(), "{what} is not documented as {media_type}"),
        }
        for name in answer.headers.keys().map(|name| name.as_str()).filter(|name| !NOT_DESCRIBED.contains(name)) {
            let documented = response["headers"].as_object().into_iter().flatten();
            let is_documented = documented.map(|(known, _)| known).any(|known| known.eq_ignore_ascii_case(name));
            assert!(is_documented, "{what}: the header {name} is not documented");
            self.headers.insert(format!("{what} {name}"));
        }
        let code = if media_type == "application/problem+json" { answer.json()["code"].take() } else { Value::Null };
        let case = (method.to_owned(), pattern, status, code.as_str().unwrap_or_default().to_owned());
        self.cases.insert(case.clone());
        case
    }

    /// Notes an accepted request. Fails unless all of it is documented.
    #[track_caller]
    fn take(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let pattern = self.document.pattern_of(path).expect("it is documented");
        let operation = self.document.operation(method, pattern);
        let given = form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name.into_owned());
        let given = given.chain(headers.iter().map(|(name, _)| (*name).to_owned()));
        let given: Vec<String> = given.filter(|name| name != "authorization").collect();
        let documented: BTreeSet<String> = self.document.parameters(method, pattern);
        for name in &given {
            assert!(documented.contains(name), "{method} {pattern} takes {name}, which is not documented");
        }
        self.taken.extend(given.iter().map(|name| format!("{method} {pattern} {name}")));
        if !body.is_null() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            self.document.check(schema, body, &format!("the body of {method} {pattern}"));
            self.taken.extend(self.document.fields(schema, Some(body)));
        }
    }
}

async fn send(client: &Client, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = client.request(method.parse::<Method>().expect("a method"), path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if !body.is_empty() && headers.iter().all(|(name, _)| *name != "content-type") {
        request = request.header("content-type", "application/json");
    }
    client.send(request, body).await
}
