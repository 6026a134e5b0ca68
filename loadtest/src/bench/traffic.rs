//! The requests of the rows: numbered requests that all connections of a load take one after another, and the two steps
//! of a sell-out.

use std::cell::Cell;
use std::rc::Rc;

use super::connection::Response;
use super::engine::Traffic;
use super::requests;

/// Numbered requests, each sent once by any of the connections.
pub struct Numbered<W, T> {
    next: Rc<Cell<u64>>,
    count: u64,
    current: u64,
    write: Rc<W>,
    take: Rc<T>,
}

/// Returns `connections` shares of `count` requests. `write` writes the request with this number, from zero. `take`
/// returns true if the response to it is the expected one.
pub fn numbered(
    connections: usize,
    count: u64,
    write: impl Fn(u64, &mut Vec<u8>) + 'static,
    take: impl Fn(u64, Response<'_>) -> bool + 'static,
) -> Vec<Box<dyn Traffic>> {
    let (next, write, take) = (Rc::new(Cell::new(0)), Rc::new(write), Rc::new(take));
    let share = |_| {
        let (next, write, take) = (next.clone(), write.clone(), take.clone());
        Box::new(Numbered { next, count, current: 0, write, take }) as Box<dyn Traffic>
    };
    (0..connections).map(share).collect()
}

/// Returns `connections` shares of requests that are repeated in turn. `take` gets the place of the request.
pub fn repeated(
    connections: usize,
    requests: Vec<Vec<u8>>,
    take: impl Fn(usize, Response<'_>) -> bool + 'static,
) -> Vec<Box<dyn Traffic>> {
    let count = requests.len() as u64;
    numbered(
        connections,
        u64::MAX,
        move |number, request| request.extend_from_slice(&requests[(number % count) as usize]),
        move |number, response| take((number % count) as usize, response),
    )
}

impl<W: Fn(u64, &mut Vec<u8>), T: Fn(u64, Response<'_>) -> bool> Traffic for Numbered<W, T> {
    fn write(&mut self, request: &mut Vec<u8>) -> bool {
        self.current = self.next.get();
        if self.current >= self.count {
            return false;
        }
        self.next.set(self.current + 1);
        (self.write)(self.current, request);
        true
    }

    fn take(&mut self, response: Response<'_>) -> bool {
        (self.take)(self.current, response)
    }
}

/// A shopper of a sell-out: checks out the next item and buys the cart, until no item is left.
pub struct CheckoutThenPurchase<C> {
    pub next: Rc<Cell<u64>>,
    pub count: u64,
    /// Writes the checkout of the item with this number, from zero.
    pub check_out: Rc<C>,
    pub sold: Rc<Cell<u64>>,
    pub code: Option<String>,
}

impl<C: Fn(u64, &mut Vec<u8>)> Traffic for CheckoutThenPurchase<C> {
    fn write(&mut self, request: &mut Vec<u8>) -> bool {
        if let Some(code) = &self.code {
            requests::post(request, format_args!("/purchase?code={code}"));
            return true;
        }
        let number = self.next.get();
        if number >= self.count {
            return false;
        }
        self.next.set(number + 1);
        (self.check_out)(number, request);
        true
    }

    fn take(&mut self, response: Response<'_>) -> bool {
        if self.code.take().is_some() {
            self.sold.set(self.sold.get() + u64::from(response.status == 200));
        } else {
            self.code = code_in(response);
        }
        response.status == 200
    }
}

/// Returns the checkout code in the response to a checkout.
pub fn code_in(response: Response<'_>) -> Option<String> {
    const FIELD: &str = "\"code\":\"";
    let body = std::str::from_utf8(response.body).ok().filter(|_| response.status == 200)?;
    let (_, rest) = body.split_once(FIELD)?;
    rest.split_once('"').map(|(code, _)| code.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbered_requests_are_sent_once_each() {
        let write = |number: u64, request: &mut Vec<u8>| request.extend_from_slice(number.to_string().as_bytes());
        let mut shares = numbered(2, 3, write, |_, response| response.status == 200);
        let mut sent = Vec::new();
        for share in [0, 1, 1, 0] {
            let mut request = Vec::new();
            sent.push(shares[share].write(&mut request).then_some(request));
        }
        assert_eq!(sent, [Some(b"0".to_vec()), Some(b"1".to_vec()), Some(b"2".to_vec()), None]);
        assert!(shares[0].take(Response { status: 200, body: b"" }));
        assert!(!shares[0].take(Response { status: 503, body: b"" }));
    }

    #[test]
    fn a_cart_that_was_refused_is_not_bought() {
        let check_out = Rc::new(|number: u64, request: &mut Vec<u8>| request.push(b'a' + number as u8));
        let (next, sold) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let mut shopper = CheckoutThenPurchase { next, count: 2, check_out, sold: sold.clone(), code: None };
        let sent = |shopper: &mut CheckoutThenPurchase<_>| {
            let mut request = Vec::new();
            shopper.write(&mut request).then(|| String::from_utf8(request).unwrap())
        };
        assert_eq!(sent(&mut shopper).unwrap(), "a");
        assert!(shopper.take(Response { status: 200, body: br#"{"code":"s-1","items":[]}"# }));
        assert!(sent(&mut shopper).unwrap().starts_with("POST /purchase?code=s-1 "));
        assert!(shopper.take(Response { status: 200, body: b"{}" }));
        assert_eq!(sent(&mut shopper).unwrap(), "b");
        assert!(!shopper.take(Response { status: 409, body: b"{}" }));
        assert_eq!((sent(&mut shopper), sold.get()), (None, 1));
    }
}
