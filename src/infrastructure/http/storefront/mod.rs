//! The storefront: pages for browsers. Every page works without JavaScript; the module in `web/static` only adds to it.
//!
//! A page calls the same use cases as the endpoints for programs. Its form answers 303, or tells a script the place of the
//! result. Text of the catalog and of shoppers reaches a page only through its template, which escapes it.

pub mod add_to_cart;
pub mod buy;
pub mod cancel;
mod card;
pub mod cart;
mod cart_page;
mod entry;
pub mod extend_pass;
pub mod home;
pub mod item;
pub mod join_queue;
mod layout;
pub mod pay;
mod picture;
pub mod purchases;
pub mod queue;
mod queue_view;
pub mod receipt;
mod receipt_page;
mod refusal;
pub mod remove_from_cart;
mod sale_view;
mod shopper;
mod words;

use crate::infrastructure::http::platform::Policy;
use crate::infrastructure::http::platform::policy::{Accepts, Access, Class, Load, OnTimeout};

/// A page.
const PAGE: Policy = Policy { refuse: refusal::refuse, ..Policy::SHOPPING };

/// A page about a visitor.
const VISITOR_PAGE: Policy = Policy { access: Access::Visitor, ..PAGE };

/// A page with a checkout code in its path.
const PERSONAL_PAGE: Policy = Policy { access: Access::User, ..PAGE };

/// A form that may be sent again if its answer is lost.
const FORM: Policy = Policy { accepts: Accepts::Form, refuse: refusal::refuse, ..Policy::CHECKOUT };

/// A form whose outcome may be unknown.
const fn deciding(class: Class, unknown: &'static str) -> Policy {
    Policy { load: Load::Bounded(class, OnTimeout::OutcomeUnknown(unknown)), ..FORM }
}

/// A page about the place of a visitor in a waiting room, and its forms.
const QUEUE_PAGE: Policy = Policy { load: Load::Bounded(Class::Queue, OnTimeout::TryAgain), ..VISITOR_PAGE };
const QUEUE_FORM: Policy = Policy { accepts: Accepts::Form, ..QUEUE_PAGE };
