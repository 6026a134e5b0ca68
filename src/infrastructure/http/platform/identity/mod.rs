//! The users of requests: who is asking, and guests who have no account.
//!
//! With keys (`AUTH=signed`), a token names the user of a request. Without them (`AUTH=off`), requests name their users, and
//! a cookie only tells the storefront which guest comes back.

mod cookie;
mod guests;
mod site;
mod users;

pub use guests::Session;
pub use users::Users;
