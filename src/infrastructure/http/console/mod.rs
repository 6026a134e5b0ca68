//! The console: pages for operators, for a phone as well. No page has a script.
//!
//! An operator begins a session with the admin token (`platform::operator_session`). The front checks it, and the origin of
//! every form, before a handler runs.

mod alarms;
pub mod confirm_end;
pub mod create;
mod curve;
mod draft;
mod draft_page;
pub mod end_sale;
mod layout;
pub mod login;
pub mod logout;
pub mod new_sale;
pub mod overview;
mod refusal;
mod room_panel;
mod sale_card;
pub mod steer_queue;

use crate::infrastructure::http::platform::Policy;
use crate::infrastructure::http::platform::policy::{Accepts, Access};

/// The page with all sales.
const OVERVIEW: &str = "/admin/console";

/// A page for operators with a session.
const PAGE: Policy = Policy { access: Access::Operator, refuse: refusal::refuse, ..Policy::ADMIN };

/// A form on such a page.
const FORM: Policy = Policy { accepts: Accepts::Form, ..PAGE };
