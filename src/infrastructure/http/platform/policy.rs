//! The policy of an endpoint: the part of serving a request that the platform does before and around its handler.

use strum::{IntoStaticStr, VariantArray};

use super::answer::Answer;
use super::problem::Problem;
use super::request::ApiRequest;

/// Everything about an endpoint that the platform decides, so that no handler has to.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    pub audience: Audience,
    pub access: Access,
    pub accepts: Accepts,
    /// Requests count against the rate limit of their address.
    pub is_rate_limited: bool,
    pub load: Load,
    /// Answers a request that is not served.
    pub refuse: fn(Problem, &ApiRequest) -> Answer,
}

/// The listeners that offer an endpoint, if shopping and operations have a listener each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    Shoppers,
    Operators,
    Everybody,
}

/// The authentication of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Public,
    /// A visitor, who may have a token or a cookie.
    Visitor,
    /// A user, whom a token names if tokens are required. Otherwise the request names the user, or has a checkout code.
    User,
    /// `Authorization: Bearer` with the admin token. Without a configured token the endpoint does not exist.
    AdminToken,
    /// A page with which operators begin a session. It exists under the same condition.
    Login,
    /// A page for operators with a session, which begins with the admin token. It exists under the same condition.
    Operator,
}

impl Access {
    /// Returns true if the endpoint exists only where there is an admin token.
    pub fn needs_admin_token(self) -> bool {
        matches!(self, Access::AdminToken | Access::Login | Access::Operator)
    }
}

/// The body of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepts {
    /// A body is ignored.
    Nothing,
    Json,
    /// The fields of an HTML form.
    Form,
}

/// The treatment of an endpoint under load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// A request is refused while too many of its class are in flight, and given up after the request timeout.
    Bounded(Class, OnTimeout),
    /// A request is always served, because it is about the service itself. It is not traced either.
    Always,
}

/// A class of requests. Each has a bound of its own, so that a flood of one class takes no place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Class {
    /// Purchases, with and without a cart.
    Purchase,
    /// Changes of a cart.
    Checkout,
    /// Waiting rooms: joining, and asking for a place.
    Queue,
    /// Payments and cancellations of orders, which wait for the payment provider.
    Payment,
    Read,
    Admin,
    /// Events of the payment provider.
    Webhook,
}

/// The answer to a request that took too long. It is `503` in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnTimeout {
    /// Repeating the request is safe.
    TryAgain,
    /// The request may have succeeded. The text says how to find out.
    OutcomeUnknown(&'static str),
}

impl Policy {
    /// An endpoint for shoppers that changes nothing.
    pub const SHOPPING: Policy = Policy {
        audience: Audience::Shoppers,
        access: Access::Public,
        accepts: Accepts::Nothing,
        is_rate_limited: true,
        load: Load::Bounded(Class::Read, OnTimeout::TryAgain),
        refuse: in_json,
    };

    /// An endpoint about one user that changes nothing. Every endpoint with a user id or a checkout code is about a user.
    pub const PERSONAL: Policy = Policy { access: Access::User, ..Policy::SHOPPING };

    /// An endpoint that changes a cart. It may be repeated if the answer is lost.
    pub const CHECKOUT: Policy =
        Policy { load: Load::Bounded(Class::Checkout, OnTimeout::TryAgain), ..Policy::PERSONAL };

    /// Documentation, which every listener has of itself.
    pub const DOCUMENTATION: Policy = Policy { audience: Audience::Everybody, ..Policy::SHOPPING };

    /// An endpoint for administrators. Its work continues if the request times out.
    pub const ADMIN: Policy = Policy {
        audience: Audience::Operators,
        access: Access::AdminToken,
        accepts: Accepts::Nothing,
        is_rate_limited: false,
        load: Load::Bounded(Class::Admin, OnTimeout::TryAgain),
        refuse: in_json,
    };

    /// An endpoint about the health of the service.
    pub const HEALTH: Policy = Policy {
        audience: Audience::Everybody,
        access: Access::Public,
        accepts: Accepts::Nothing,
        is_rate_limited: false,
        load: Load::Always,
        refuse: in_json,
    };
}

/// Answers with the problem as JSON.
pub fn in_json(problem: Problem, _request: &ApiRequest) -> Answer {
    problem.into_answer()
}
