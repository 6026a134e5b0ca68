//! The codes of problems.

use hyper::StatusCode;
use strum::{IntoStaticStr, VariantArray};

/// The stable word of a problem, on which clients may rely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum ProblemCode {
    InvalidRequest,
    Unauthorized,
    TokenRequired,
    InvalidToken,
    PaymentDeclined,
    Forbidden,
    NotYou,
    ForeignOrigin,
    NotFound,
    ItemNotFound,
    SaleNotFound,
    CheckoutNotFound,
    OrderNotFound,
    MethodNotAllowed,
    RequestTimeout,
    ItemSold,
    ItemsSold,
    CartFull,
    CartEmpty,
    UserLimitReached,
    SaleNotStarted,
    OrderInvalidState,
    DuplicateRequest,
    TooManySales,
    SaleEnded,
    OrderExpired,
    SoldOut,
    BodyTooLarge,
    HeadTooLarge,
    UnsupportedMediaType,
    RequestMismatch,
    RateLimited,
    #[strum(serialize = "internal_error")]
    Internal,
    Unavailable,
}

impl ProblemCode {
    /// Every code, in the order of their definition.
    pub const ALL: &[ProblemCode] = ProblemCode::VARIANTS;

    /// Returns the word.
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// Returns the status of the answer.
    pub fn status(self) -> StatusCode {
        match self {
            ProblemCode::InvalidRequest => StatusCode::BAD_REQUEST,
            ProblemCode::Unauthorized | ProblemCode::TokenRequired | ProblemCode::InvalidToken => {
                StatusCode::UNAUTHORIZED
            }
            ProblemCode::PaymentDeclined => StatusCode::PAYMENT_REQUIRED,
            ProblemCode::Forbidden | ProblemCode::NotYou | ProblemCode::ForeignOrigin => StatusCode::FORBIDDEN,
            ProblemCode::NotFound
            | ProblemCode::ItemNotFound
            | ProblemCode::SaleNotFound
            | ProblemCode::CheckoutNotFound
            | ProblemCode::OrderNotFound => StatusCode::NOT_FOUND,
            ProblemCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            ProblemCode::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            ProblemCode::ItemSold
            | ProblemCode::ItemsSold
            | ProblemCode::CartFull
            | ProblemCode::CartEmpty
            | ProblemCode::UserLimitReached
            | ProblemCode::SaleNotStarted
            | ProblemCode::OrderInvalidState
            | ProblemCode::DuplicateRequest
            | ProblemCode::TooManySales => StatusCode::CONFLICT,
            ProblemCode::SaleEnded | ProblemCode::OrderExpired | ProblemCode::SoldOut => StatusCode::GONE,
            ProblemCode::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ProblemCode::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            ProblemCode::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ProblemCode::RequestMismatch => StatusCode::UNPROCESSABLE_ENTITY,
            ProblemCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            ProblemCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            ProblemCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Returns the challenge of an answer that asks for authentication (RFC 6750, section 3).
    pub fn challenge(self) -> Option<&'static str> {
        match self {
            ProblemCode::Unauthorized | ProblemCode::TokenRequired => Some("Bearer"),
            ProblemCode::InvalidToken => Some("Bearer error=\"invalid_token\""),
            _ => None,
        }
    }

    /// Returns the title, which is the same for every problem with this code.
    pub fn title(self) -> &'static str {
        match self {
            ProblemCode::InvalidRequest => "The request is invalid",
            ProblemCode::Unauthorized => "The admin token is missing",
            ProblemCode::TokenRequired => "The token of the user is missing",
            ProblemCode::InvalidToken => "The token of the user is not valid",
            ProblemCode::PaymentDeclined => "The payment was declined",
            ProblemCode::Forbidden => "The admin token is wrong",
            ProblemCode::NotYou => "The request names another user",
            ProblemCode::ForeignOrigin => "Another site sent the request",
            ProblemCode::NotFound => "The path does not exist",
            ProblemCode::ItemNotFound => "The item does not exist",
            ProblemCode::SaleNotFound => "The sale does not exist",
            ProblemCode::CheckoutNotFound => "The checkout code is unknown",
            ProblemCode::OrderNotFound => "The order does not exist",
            ProblemCode::MethodNotAllowed => "The path does not allow this method",
            ProblemCode::RequestTimeout => "The request took too long to arrive",
            ProblemCode::ItemSold => "The item is sold",
            ProblemCode::ItemsSold => "Items of the cart are sold",
            ProblemCode::CartFull => "The cart is full",
            ProblemCode::CartEmpty => "The cart is empty",
            ProblemCode::UserLimitReached => "The user has reached the limit of the sale",
            ProblemCode::SaleNotStarted => "The sale has not started",
            ProblemCode::OrderInvalidState => "The state of the order does not allow this",
            ProblemCode::DuplicateRequest => "The request has already been served",
            ProblemCode::TooManySales => "Too many sales are live",
            ProblemCode::SaleEnded => "The sale has ended",
            ProblemCode::OrderExpired => "The order was not paid in time",
            ProblemCode::SoldOut => "The item is sold out",
            ProblemCode::BodyTooLarge => "The body of the request is too large",
            ProblemCode::HeadTooLarge => "The head of the request is too large",
            ProblemCode::UnsupportedMediaType => "The body of the request is not JSON",
            ProblemCode::RequestMismatch => "The request id belongs to another purchase",
            ProblemCode::RateLimited => "Too many requests",
            ProblemCode::Internal => "Internal error",
            ProblemCode::Unavailable => "Temporarily unavailable",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_has_its_own_word_and_the_status_of_an_error() {
        let words: HashSet<_> = ProblemCode::ALL.iter().map(|code| code.word()).collect();
        assert_eq!(words.len(), ProblemCode::ALL.len());
        for code in ProblemCode::ALL {
            assert!(code.status().is_client_error() || code.status().is_server_error(), "{code:?}");
        }
    }
}
