//! Problems for heads that hyper refuses by itself.
//!
//! Hyper answers a head that it cannot read with a bare status, and never passes it on. [`problem_for`] recognises such
//! an answer by its bytes and returns a complete one in its place.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderValue};

use super::answer::Answer;
use super::limits::settings::{HEAD_BYTES_MAX, HEADERS_MAX};
use super::problem::Problem;
use super::problem_code::ProblemCode;
use super::request_id;

/// Returns the answer that replaces a bare one of hyper; `None` for any other bytes.
pub fn problem_for(written: &[u8]) -> Option<Bytes> {
    let rest = written.strip_prefix(b"HTTP/1.1 4").or_else(|| written.strip_prefix(b"HTTP/1.0 4"))?;
    let status = str::from_utf8(rest.get(..2)?).ok()?;
    // All answers of our own begin with another header.
    let (_reason, headers) = rest.split_at(rest.iter().position(|byte| *byte == b'\n')? + 1);
    if !headers.starts_with(b"content-length: 0\r\n") && !headers.starts_with(b"connection: close\r\n") {
        return None;
    }
    Some(bytes_of(problem(status).into_answer()))
}

fn problem(status: &str) -> Problem {
    match status {
        "31" | "14" => {
            let detail = format!(
                "Send a request line and at most {HEADERS_MAX} headers, of at most {HEAD_BYTES_MAX} bytes together."
            );
            Problem::new(ProblemCode::HeadTooLarge, detail)
        }
        _ => Problem::new(ProblemCode::InvalidRequest, "Send a request that follows the syntax of HTTP/1.1."),
    }
}

/// Returns the answer as HTTP/1.1 writes it. The connection ends with it.
fn bytes_of(mut answer: Answer) -> Bytes {
    let body = answer.body().bytes().cloned().unwrap_or_default();
    let headers = answer.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    headers.insert(request_id::X_REQUEST_ID, request_id::random());
    let mut bytes = status_line(answer.status()).into_bytes();
    for (name, value) in answer.headers() {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    bytes.extend(b"\r\n");
    bytes.extend(body);
    bytes.into()
}

fn status_line(status: StatusCode) -> String {
    format!("HTTP/1.1 {} {}\r\n", status.as_str(), status.canonical_reason().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(written: &str) -> Option<String> {
        let text = String::from_utf8(problem_for(written.as_bytes())?.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("\r\ncontent-length: {}", body.len())), "{text}");
        assert!(head.contains("\r\nconnection: close") && head.contains("\r\nx-request-id: "), "{text}");
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {} ", problem["status"])), "{text}");
        Some(problem["code"].as_str().unwrap().to_owned())
    }

    #[test]
    fn a_bare_answer_is_replaced_by_a_problem() {
        for (status, expected) in
            [("400 Bad Request", "invalid_request"), ("431 Request Header Fields Too Large", "head_too_large")]
        {
            let written = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\ndate: today\r\n\r\n");
            assert_eq!(code(&written).as_deref(), Some(expected));
            let written = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            assert_eq!(code(&written).as_deref(), Some(expected));
        }
    }

    #[test]
    fn all_other_bytes_stay_as_they_are() {
        let own = Problem::new(ProblemCode::ItemSold, "Choose another item.").into_answer();
        let own = String::from_utf8(bytes_of(own).to_vec()).unwrap();
        for written in [&own, "", "HTTP/1.1 4", "HTTP/1.1 400 Bad Request", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n"]
        {
            assert_eq!(code(written), None, "{written}");
        }
    }
}
