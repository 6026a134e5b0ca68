//! The words for what goes wrong.

use hyper::StatusCode;

/// The stable word for a problem, on which clients may rely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    InvalidRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    ItemNotFound,
    SaleNotFound,
    CheckoutNotFound,
    MethodNotAllowed,
    RequestTimeout,
    ItemSold,
    ItemsSold,
    CartFull,
    UserLimitReached,
    SaleNotStarted,
    DuplicateRequest,
    SaleEnded,
    SoldOut,
    BodyTooLarge,
    UnsupportedMediaType,
    RequestMismatch,
    RateLimited,
    Internal,
    Unavailable,
}

impl Code {
    /// Every code, in the order of their definition.
    pub const ALL: [Code; 23] = [
        Code::InvalidRequest,
        Code::Unauthorized,
        Code::Forbidden,
        Code::NotFound,
        Code::ItemNotFound,
        Code::SaleNotFound,
        Code::CheckoutNotFound,
        Code::MethodNotAllowed,
        Code::RequestTimeout,
        Code::ItemSold,
        Code::ItemsSold,
        Code::CartFull,
        Code::UserLimitReached,
        Code::SaleNotStarted,
        Code::DuplicateRequest,
        Code::SaleEnded,
        Code::SoldOut,
        Code::BodyTooLarge,
        Code::UnsupportedMediaType,
        Code::RequestMismatch,
        Code::RateLimited,
        Code::Internal,
        Code::Unavailable,
    ];

    /// The word itself.
    pub fn word(self) -> &'static str {
        self.facts().0
    }

    /// The status it is answered with.
    pub fn status(self) -> StatusCode {
        self.facts().1
    }

    /// The word, the status and a title, the same for every problem of this code.
    pub fn facts(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Code::InvalidRequest => ("invalid_request", StatusCode::BAD_REQUEST, "The request is not valid"),
            Code::Unauthorized => ("unauthorized", StatusCode::UNAUTHORIZED, "A token is needed"),
            Code::Forbidden => ("forbidden", StatusCode::FORBIDDEN, "The token is wrong"),
            Code::NotFound => ("not_found", StatusCode::NOT_FOUND, "There is nothing here"),
            Code::ItemNotFound => ("item_not_found", StatusCode::NOT_FOUND, "There is no such item"),
            Code::SaleNotFound => ("sale_not_found", StatusCode::NOT_FOUND, "There is no such sale"),
            Code::CheckoutNotFound => ("checkout_not_found", StatusCode::NOT_FOUND, "There is no such checkout"),
            Code::MethodNotAllowed => {
                ("method_not_allowed", StatusCode::METHOD_NOT_ALLOWED, "This cannot be done here")
            }
            Code::RequestTimeout => ("request_timeout", StatusCode::REQUEST_TIMEOUT, "The request took too long"),
            Code::ItemSold => ("item_sold", StatusCode::CONFLICT, "The item is sold"),
            Code::ItemsSold => ("items_sold", StatusCode::CONFLICT, "Items of the cart are sold"),
            Code::CartFull => ("cart_full", StatusCode::CONFLICT, "The cart is full"),
            Code::UserLimitReached => ("user_limit_reached", StatusCode::CONFLICT, "The limit of the user is reached"),
            Code::SaleNotStarted => ("sale_not_started", StatusCode::CONFLICT, "The sale has not started"),
            Code::DuplicateRequest => ("duplicate_request", StatusCode::CONFLICT, "The request was served before"),
            Code::SaleEnded => ("sale_ended", StatusCode::GONE, "The sale has ended"),
            Code::SoldOut => ("sold_out", StatusCode::GONE, "The item is sold out"),
            Code::BodyTooLarge => ("body_too_large", StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
            Code::UnsupportedMediaType => {
                ("unsupported_media_type", StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is not JSON")
            }
            Code::RequestMismatch => {
                ("request_mismatch", StatusCode::UNPROCESSABLE_ENTITY, "The request was made before, and was another")
            }
            Code::RateLimited => ("rate_limited", StatusCode::TOO_MANY_REQUESTS, "Too many requests"),
            Code::Internal => ("internal_error", StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong"),
            Code::Unavailable => ("unavailable", StatusCode::SERVICE_UNAVAILABLE, "Not possible at the moment"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_has_a_word_of_its_own_and_its_place() {
        let words: HashSet<_> = Code::ALL.iter().map(|code| code.word()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        for (place, code) in Code::ALL.into_iter().enumerate() {
            assert_eq!(code as usize, place, "{code:?}");
            assert!(code.status().is_client_error() || code.status().is_server_error());
        }
    }
}
