//! `POST /admin/console/sales/{id}/queue`: changes a waiting room.

use std::borrow::Cow;

use hyper::Method;

use crate::application::admission::ports::Steering;
use crate::domain::shared::SaleId;
use crate::infrastructure::http::admin::steer_queue::steer;
use crate::infrastructure::http::platform::query::number;
use crate::infrastructure::http::platform::{Answer, ApiRequest, Context, Endpoint, FieldErrors, Problem, answer};

use super::{FORM, OVERVIEW};

pub static ENDPOINT: Endpoint =
    Endpoint::page(Method::POST, "/admin/console/sales/{id}/queue", FORM, |context, request| {
        Box::pin(post(context, request))
    });

async fn post(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let sale: SaleId = request.params.parse("id")?;
    steer(context, sale, read(request)?).await?;
    Ok(answer::see_other(&format!("{OVERVIEW}#{sale}")))
}

fn read(request: &ApiRequest) -> Result<Steering, Problem> {
    let [rate, paused, message] = request.form(["rate", "paused", "message"])?;
    let mut errors = FieldErrors::default();
    let rate = rate.map(|text| number(text.trim()));
    if rate == Some(None) {
        errors.add("rate", "must be a whole number");
    }
    let is_paused = paused.map(|text| text.parse::<bool>().ok());
    if is_paused == Some(None) {
        errors.add("paused", "must be true or false");
    }
    errors.check()?;
    Ok(Steering {
        rate: rate.flatten(),
        active_max: None,
        is_paused: is_paused.flatten(),
        message: message.map(Cow::into_owned),
    })
}
