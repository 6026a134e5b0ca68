//! The bytes of requests.

use std::io::Write;

pub fn get(path: &str) -> Vec<u8> {
    let mut request = Vec::new();
    write(&mut request, format_args!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n"));
    request
}

/// Writes a `POST` without a body.
pub fn post(request: &mut Vec<u8>, path: std::fmt::Arguments<'_>) {
    write(request, format_args!("POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-length: 0\r\n\r\n"));
}

/// Writes a `POST` with a JSON body and further header lines, each of which ends with a line break.
pub fn post_json(request: &mut Vec<u8>, path: &str, headers: &str, body: &str) {
    let length = body.len();
    write(
        request,
        format_args!(
            "POST {path} HTTP/1.1\r\nhost: bench\r\n{headers}content-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        ),
    );
}

fn write(request: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    request.write_fmt(text).expect("a vector takes all bytes");
}
