//! Problems in words for shoppers.

use crate::infrastructure::http::platform::ProblemCode;

/// Returns a heading, and the next step.
pub fn of(code: ProblemCode) -> (&'static str, &'static str) {
    match code {
        ProblemCode::ItemSold | ProblemCode::SoldOut => (
            "Sold out",
            "Somebody else was faster: too few pieces of this item are left. Nothing was put into your cart.",
        ),
        ProblemCode::ItemsSold => {
            ("Some of it is sold", "Nothing was bought. What is sold has left your cart; you can buy the rest.")
        }
        ProblemCode::CartFull => ("Your cart is full", "Buy it, or take something out first."),
        ProblemCode::CartEmpty => ("Your cart is empty", "Put something into it first."),
        ProblemCode::CheckoutNotFound => (
            "This cart is gone",
            "It was bought, or nobody touched it for a while. My purchases shows what you bought.",
        ),
        ProblemCode::UserLimitReached => {
            ("That would be too many", "Each shopper may buy only so many pieces of a sale. Take fewer.")
        }
        ProblemCode::SaleNotStarted => {
            ("Not open yet", "The sale has not started. Try again when its clock has run out.")
        }
        ProblemCode::SaleEnded => ("The sale is over", "Have a look at the sale that is on now."),
        ProblemCode::ItemNotFound | ProblemCode::SaleNotFound => {
            ("Not here", "This item or sale does not exist, or no longer.")
        }
        ProblemCode::OrderNotFound => ("No such order", "There is no order to pay here."),
        ProblemCode::PaymentDeclined => ("The payment was declined", "Try another means of payment."),
        ProblemCode::OrderInvalidState => ("The order has changed", "It is paid, cancelled or expired already."),
        ProblemCode::OrderExpired => ("Too late", "The order was not paid in time, so its items are for sale again."),
        ProblemCode::AdmissionRequired => {
            ("First the waiting room", "This sale lets shoppers in one after the other. Join its waiting room.")
        }
        ProblemCode::QueueNotFound => ("No waiting room", "Nobody has to wait: simply buy what is on sale."),
        ProblemCode::PassNotExtendable => {
            ("Not any longer", "A pass is prolonged ten times at most, and only before it ends. Buy before it does.")
        }
        ProblemCode::RateLimited => {
            ("Too fast", "You have sent very many requests. Wait a few seconds, then try again.")
        }
        ProblemCode::TokenRequired | ProblemCode::InvalidToken => (
            "We do not know you here",
            "This belongs to somebody, and this browser cannot say to whom. Open it in the browser that you bought with.",
        ),
        ProblemCode::ForeignOrigin => {
            ("Not from here", "This form was not sent by a page of this shop. Go back and try again.")
        }
        ProblemCode::InvalidRequest => {
            ("That did not work", "Something in the form is not right. Go back and try again.")
        }
        ProblemCode::Unavailable => {
            ("One moment", "The shop is very busy, or it is just opening. Nothing is lost: try again in a second.")
        }
        ProblemCode::Internal => ("Our mistake", "Something broke, and we have been told. Please try again."),
        _ => ("That did not work", "Go back and try again."),
    }
}

/// The words for a request that may have succeeded.
pub const UNKNOWN: (&str, &str) =
    ("Not sure yet", "It may have worked, but we do not know yet. Try again: nothing is bought or paid twice.");
