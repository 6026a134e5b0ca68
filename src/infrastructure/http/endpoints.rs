//! The table of all endpoints.

use super::platform::endpoint::Api;
use super::platform::limits::settings::HEAD_BYTES_MAX;
use super::{admin, admission, console, identity, operations, ordering, sale, storefront, web};

/// The interface of the service. The OpenAPI document lists the endpoints in this order.
pub static API: Api = Api {
    introduction,
    tags: &[
        sale::SHOPPING,
        sale::BROWSING,
        admission::QUEUE,
        identity::IDENTITY,
        ordering::ORDERING,
        operations::OPERATIONS,
        admin::ADMINISTRATION,
        operations::DOCUMENTATION,
    ],
    endpoints: &[
        &sale::checkout::ENDPOINT,
        &sale::cart::ENDPOINT,
        &sale::remove_item::ENDPOINT,
        &sale::purchase::ENDPOINT,
        &sale::receipt::ENDPOINT,
        &sale::buy_now::ENDPOINT,
        &sale::active_sale::ENDPOINT,
        &sale::sales::ENDPOINT,
        &sale::sale::ENDPOINT,
        &sale::items::ENDPOINT,
        &sale::sold_filter::ENDPOINT,
        &sale::stock_events::ENDPOINT,
        &sale::item::ENDPOINT,
        &sale::user_purchases::ENDPOINT,
        &admission::join::ENDPOINT,
        &admission::queue::ENDPOINT,
        &admission::events::ENDPOINT,
        &admission::standing::ENDPOINT,
        &admission::extend::ENDPOINT,
        &identity::session::ENDPOINT,
        &ordering::order::ENDPOINT,
        &ordering::pay::ENDPOINT,
        &ordering::cancel_order::ENDPOINT,
        &ordering::user_orders::ENDPOINT,
        &ordering::webhook::ENDPOINT,
        &operations::live::ENDPOINT,
        &operations::ready::ENDPOINT,
        &operations::health::ENDPOINT,
        &operations::metrics::ENDPOINT,
        &admin::create_sale::ENDPOINT,
        &admin::end_sale::ENDPOINT,
        &admin::cancel_order::ENDPOINT,
        &admin::steer_queue::ENDPOINT,
        &operations::document::ENDPOINT,
        &storefront::home::ENDPOINT,
        &operations::docs::ENDPOINT,
        &operations::docs_folder::ENDPOINT,
        &operations::swagger_ui::ENDPOINT,
    ],
    pages: &[
        &storefront::item::ENDPOINT,
        &storefront::cart::ENDPOINT,
        &storefront::add_to_cart::ENDPOINT,
        &storefront::remove_from_cart::ENDPOINT,
        &storefront::buy::ENDPOINT,
        &storefront::receipt::ENDPOINT,
        &storefront::pay::ENDPOINT,
        &storefront::cancel::ENDPOINT,
        &storefront::purchases::ENDPOINT,
        &storefront::queue::ENDPOINT,
        &storefront::join_queue::ENDPOINT,
        &storefront::extend_pass::ENDPOINT,
        &web::asset::ENDPOINT,
        &console::overview::ENDPOINT,
        &console::login::ENDPOINT,
        &console::logout::ENDPOINT,
        &console::new_sale::ENDPOINT,
        &console::create::ENDPOINT,
        &console::confirm_end::ENDPOINT,
        &console::end_sale::ENDPOINT,
        &console::steer_queue::ENDPOINT,
    ],
};

fn introduction() -> String {
    format!(
        "\
Flash sales. Put items into a cart with `POST /checkout` and buy it with `POST /purchase`, or buy one item with
`POST /api/purchase`. `200` means that the purchase is committed.

Every error is `application/problem+json` (RFC 9457); rely on its `code`. An unknown path is `404 not_found`. A method
that a path does not have is `405 method_not_allowed`. `HEAD` is answered where `GET` is, without the body. A request
line with headers of more than {HEAD_BYTES_MAX} bytes is `431 head_too_large`. A head that is not valid HTTP/1.1 is
`400 invalid_request`; the header `Host` is required. Parameters and fields that are not in this document are refused, and
so is a parameter that is given twice."
    )
}
