//! The words for what goes wrong.

use hyper::StatusCode;

/// The stable word for a problem, on which clients may rely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProblemCode {
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
    CartEmpty,
    UserLimitReached,
    SaleNotStarted,
    DuplicateRequest,
    TooManySales,
    SaleEnded,
    SoldOut,
    BodyTooLarge,
    UnsupportedMediaType,
    RequestMismatch,
    RateLimited,
    Internal,
    Unavailable,
}

impl ProblemCode {
    /// Every code, in the order of their definition.
    pub const ALL: [ProblemCode; 25] = [
        ProblemCode::InvalidRequest,
        ProblemCode::Unauthorized,
        ProblemCode::Forbidden,
        ProblemCode::NotFound,
        ProblemCode::ItemNotFound,
        ProblemCode::SaleNotFound,
        ProblemCode::CheckoutNotFound,
        ProblemCode::MethodNotAllowed,
        ProblemCode::RequestTimeout,
        ProblemCode::ItemSold,
        ProblemCode::ItemsSold,
        ProblemCode::CartFull,
        ProblemCode::CartEmpty,
        ProblemCode::UserLimitReached,
        ProblemCode::SaleNotStarted,
        ProblemCode::DuplicateRequest,
        ProblemCode::TooManySales,
        ProblemCode::SaleEnded,
        ProblemCode::SoldOut,
        ProblemCode::BodyTooLarge,
        ProblemCode::UnsupportedMediaType,
        ProblemCode::RequestMismatch,
        ProblemCode::RateLimited,
        ProblemCode::Internal,
        ProblemCode::Unavailable,
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
            ProblemCode::InvalidRequest => ("invalid_request", StatusCode::BAD_REQUEST, "The request is not valid"),
            ProblemCode::Unauthorized => ("unauthorized", StatusCode::UNAUTHORIZED, "A token is needed"),
            ProblemCode::Forbidden => ("forbidden", StatusCode::FORBIDDEN, "The token is wrong"),
            ProblemCode::NotFound => ("not_found", StatusCode::NOT_FOUND, "There is nothing here"),
            ProblemCode::ItemNotFound => ("item_not_found", StatusCode::NOT_FOUND, "There is no such item"),
            ProblemCode::SaleNotFound => ("sale_not_found", StatusCode::NOT_FOUND, "There is no such sale"),
            ProblemCode::CheckoutNotFound => ("checkout_not_found", StatusCode::NOT_FOUND, "There is no such checkout"),
            ProblemCode::MethodNotAllowed => {
                ("method_not_allowed", StatusCode::METHOD_NOT_ALLOWED, "This cannot be done here")
            }
            ProblemCode::RequestTimeout => {
                ("request_timeout", StatusCode::REQUEST_TIMEOUT, "The request took too long")
            }
            ProblemCode::ItemSold => ("item_sold", StatusCode::CONFLICT, "The item is sold"),
            ProblemCode::ItemsSold => ("items_sold", StatusCode::CONFLICT, "Items of the cart are sold"),
            ProblemCode::CartFull => ("cart_full", StatusCode::CONFLICT, "The cart is full"),
            ProblemCode::CartEmpty => ("cart_empty", StatusCode::CONFLICT, "The cart is empty"),
            ProblemCode::UserLimitReached => {
                ("user_limit_reached", StatusCode::CONFLICT, "The limit of the user is reached")
            }
            ProblemCode::SaleNotStarted => ("sale_not_started", StatusCode::CONFLICT, "The sale has not started"),
            ProblemCode::DuplicateRequest => {
                ("duplicate_request", StatusCode::CONFLICT, "The request was served before")
            }
            ProblemCode::TooManySales => ("too_many_sales", StatusCode::CONFLICT, "Too many sales are live"),
            ProblemCode::SaleEnded => ("sale_ended", StatusCode::GONE, "The sale has ended"),
            ProblemCode::SoldOut => ("sold_out", StatusCode::GONE, "The item is sold out"),
            ProblemCode::BodyTooLarge => ("body_too_large", StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
            ProblemCode::UnsupportedMediaType => {
                ("unsupported_media_type", StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is not JSON")
            }
            ProblemCode::RequestMismatch => {
                ("request_mismatch", StatusCode::UNPROCESSABLE_ENTITY, "The request was made before, and was another")
            }
            ProblemCode::RateLimited => ("rate_limited", StatusCode::TOO_MANY_REQUESTS, "Too many requests"),
            ProblemCode::Internal => ("internal_error", StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong"),
            ProblemCode::Unavailable => ("unavailable", StatusCode::SERVICE_UNAVAILABLE, "Not possible at the moment"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_has_a_word_of_its_own_and_its_place() {
        let words: HashSet<_> = ProblemCode::ALL.iter().map(|code| code.word()).collect();
        assert_eq!(words.len(), ProblemCode::ALL.len());
        for (place, code) in ProblemCode::ALL.into_iter().enumerate() {
            assert_eq!(code as usize, place, "{code:?}");
            assert!(code.status().is_client_error() || code.status().is_server_error());
        }
    }
}
