//! Filling carts and buying.

use utoipa::PartialSchema;
use utoipa::openapi::Required;

use crate::domain::sale::{ItemRef, Quantity};
use crate::domain::shared::{CheckoutCode, RequestId, UserId};

use super::super::answer::Confirming;
use super::super::code::ProblemCode;
use super::super::receipt::ReceiptBody;
use super::super::{buy_now, cart, checkout, purchase};
use super::SHOPPING;
use super::operation::Described;

const DURABLE: &str = "ReceiptBody, and committed to PostgreSQL";
const CONFIRMING: &str = "RecordedPurchase, and not known to be durable yet: look at `Location` after `Retry-After`";
const REPLAYED: &str = "`true` where this was bought by an earlier request; the body is the same, byte for byte";

pub fn checkout() -> Described {
    let description = "Adds one item, named in the query, or those in the body: all of them, or none. A cart reserves \
                       nothing. Checking out what is in the cart already changes nothing.";
    Described::new(SHOPPING, "checkOut", "Put items into the cart of a user", description)
        .query::<UserId>("user_id", "Whose cart; required, here or in the body")
        .query::<ItemRef>("id", "The item; required, unless the body has items")
        .query::<ItemRef>("item_id", "Another name for `id`")
        .query_of("quantity", Quantity::schema(), "Units of the item, 1 where it is not said")
        .body::<checkout::Body>(Required::False)
        .answer::<cart::Body>(200, "The cart")
        .refuses([
            ProblemCode::InvalidRequest,
            ProblemCode::ItemNotFound,
            ProblemCode::SaleNotFound,
            ProblemCode::ItemSold,
            ProblemCode::CartFull,
        ])
        .refuses([ProblemCode::UserLimitReached, ProblemCode::SaleNotStarted, ProblemCode::SaleEnded])
}

pub fn cart() -> Described {
    Described::new(SHOPPING, "getCart", "Look at a cart", "Says of each item whether it can still be had.")
        .path::<CheckoutCode>("code")
        .answer::<cart::Body>(200, "The cart")
        .refuses([ProblemCode::InvalidRequest, ProblemCode::CheckoutNotFound])
}

pub fn cart_item() -> Described {
    Described::new(SHOPPING, "removeFromCart", "Take an item out of a cart", "Takes out all units of it.")
        .path::<CheckoutCode>("code")
        .path::<ItemRef>("id")
        .answer::<cart::Body>(200, "What is left of the cart")
        .refuses([
            ProblemCode::InvalidRequest,
            ProblemCode::CheckoutNotFound,
            ProblemCode::ItemNotFound,
            ProblemCode::SaleEnded,
        ])
}

pub fn purchase() -> Described {
    let description = "Buys the whole cart or, with `partial`, what can be had of it. One code buys once, however often \
                       it is asked: a repetition gets the first receipt. Of a problem with `\"outcome\": \"unknown\"` \
                       ask again with the same code.";
    Described::new(SHOPPING, "buyCart", "Buy a cart", description)
        .query::<CheckoutCode>("code", "Which cart; required, here or in the body")
        .query_of("partial", bool::schema(), "Whether to buy the rest where some of it is sold")
        .body::<purchase::Body>(Required::False)
        .answer::<ReceiptBody>(200, DURABLE)
        .header(200, "Idempotent-Replayed", REPLAYED)
        .answer::<Confirming>(202, CONFIRMING)
        .header(202, "Location", "Where the receipt will be")
        .header(202, "Retry-After", "Seconds")
        .refuses([
            ProblemCode::InvalidRequest,
            ProblemCode::CheckoutNotFound,
            ProblemCode::ItemsSold,
            ProblemCode::CartEmpty,
        ])
        .refuses([ProblemCode::UserLimitReached])
        .refuses([ProblemCode::SaleNotStarted, ProblemCode::SaleEnded])
}

pub fn receipt() -> Described {
    Described::new(
        SHOPPING,
        "getReceipt",
        "Look at what a cart was bought for",
        "The same receipt as from the purchase.",
    )
    .path::<CheckoutCode>("code")
    .answer::<ReceiptBody>(200, DURABLE)
    .answer::<Confirming>(202, CONFIRMING)
    .header(202, "Location", "Where the receipt will be")
    .header(202, "Retry-After", "Seconds")
    .refuses([ProblemCode::InvalidRequest, ProblemCode::CheckoutNotFound])
}

pub fn buy_now() -> Described {
    let description = "Buys units of one item without a cart. A request is named by `request_id`, or by the header \
                       `Idempotency-Key` in its place. It buys once: a repetition is `409 duplicate_request` with the \
                       first receipt where it is named in the body, and the same answer again where it is named in \
                       the header. A refused attempt burns nothing.";
    let key = "Names the request in place of `request_id`";
    Described::new(SHOPPING, "buyNow", "Buy units of one item", description)
        .asks_header("Idempotency-Key", RequestId::schema(), key)
        .body::<buy_now::Body>(Required::True)
        .answer::<ReceiptBody>(200, DURABLE)
        .header(200, "Idempotent-Replayed", REPLAYED)
        .answer::<Confirming>(202, CONFIRMING)
        .header(202, "Location", "Where the receipt will be")
        .header(202, "Retry-After", "Seconds")
        .refuses([
            ProblemCode::InvalidRequest,
            ProblemCode::SaleNotFound,
            ProblemCode::ItemNotFound,
            ProblemCode::DuplicateRequest,
        ])
        .refuses([
            ProblemCode::UserLimitReached,
            ProblemCode::SaleNotStarted,
            ProblemCode::SoldOut,
            ProblemCode::SaleEnded,
            ProblemCode::RequestMismatch,
        ])
}
