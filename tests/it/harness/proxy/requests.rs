//! The requests on one connection, in which a proxy looks for a mark.

use std::collections::HashMap;

/// The type of a message of PostgreSQL, its first byte.
const PARSE: u8 = b'P';
const BIND: u8 = b'B';

/// The statements that a connection has prepared, by name. PostgreSQL gets the text of a statement once; later requests
/// only name it.
#[derive(Default)]
pub struct Requests {
    prepared: HashMap<Vec<u8>, Vec<u8>>,
}

impl Requests {
    /// Returns true if these bytes make the store run something whose text is meant. Redis gets the text itself.
    pub fn run(&mut self, bytes: &[u8], is_meant: impl Fn(&[u8]) -> bool) -> bool {
        if messages(bytes).next().is_none() {
            return is_meant(bytes);
        }
        for (kind, body) in messages(bytes) {
            let mut texts = body.split(|byte| *byte == 0);
            let (first, second) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
            let runs = match kind {
                PARSE => {
                    self.prepared.insert(first.to_vec(), second.to_vec());
                    false
                }
                // After the name of the portal.
                BIND => self.prepared.get(second).is_some_and(|text| is_meant(text)),
                _ => is_meant(body),
            };
            if runs {
                return true;
            }
        }
        false
    }
}

/// Iterates over the messages of a client of PostgreSQL: a type, a length that counts itself, and a body. There is none in
/// a request to Redis.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (kind, rest) = bytes.split_first()?;
        let length = u32::from_be_bytes(*rest.first_chunk()?) as usize;
        let body = rest.get(4..length)?;
        bytes = &rest[length..];
        Some((*kind, body))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &str) -> Vec<u8> {
        [&[kind], &(body.len() as u32 + 4).to_be_bytes()[..], body.as_bytes()].concat()
    }

    fn is_meant(text: &[u8]) -> bool {
        text.windows(6).any(|part| part == b"INSERT")
    }

    #[test]
    fn a_statement_is_run_when_it_is_bound_and_not_when_it_is_prepared() {
        let mut requests = Requests::default();
        let prepare = [message(b'P', "s1\0INSERT INTO t\0"), message(b'S', "")].concat();
        assert!(!requests.run(&prepare, is_meant));
        assert!(!requests.run(&message(b'B', "\0s2\0"), is_meant));
        assert!(requests.run(&[message(b'B', "\0s1\0"), message(b'E', "\0")].concat(), is_meant));
        assert!(requests.run(&message(b'Q', "INSERT INTO t\0"), is_meant));
    }

    #[test]
    fn a_command_of_redis_has_its_text_in_it() {
        assert!(Requests::default().run(b"*2\r\n$3\r\nGET\r\n$6\r\nINSERT\r\n", is_meant));
        assert!(!Requests::default().run(b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n", is_meant));
    }
}
