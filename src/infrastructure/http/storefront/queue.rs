//! `GET /shop/queue`: the waiting room of a sale, and the place of the shopper in it.

use std::sync::Arc;

use askama::Template;
use hyper::{Method, StatusCode};

use crate::application::admission::Turn;
use crate::application::sale::live_sale::LiveSale;
use crate::domain::sale::SaleStatus;
use crate::domain::shared::SaleId;
use crate::domain::shared::limits::PASS_EXTENSIONS;
use crate::infrastructure::http::admission::queue_body::queue_not_found;
use crate::infrastructure::http::platform::{Answer, ApiRequest, Context, Endpoint, FieldErrors, Problem, query};
use crate::infrastructure::http::sale::problems::sale_not_found;
use crate::infrastructure::http::web::{assets, html};
use crate::infrastructure::tokens::{Pass, Ticket};

use super::QUEUE_PAGE;
use super::layout::Layout;
use super::queue_view::{QueueView, Step};

pub static ENDPOINT: Endpoint =
    Endpoint::page(Method::GET, "/shop/queue", QUEUE_PAGE, |context, request| Box::pin(get(context, request)));

/// The page.
#[derive(Template)]
#[template(path = "storefront/queue.html")]
struct QueuePage {
    layout: Layout,
    room: QueueView,
    extensions: u32,
}

/// Returns the path of the waiting room of a sale.
pub fn path_of(sale: SaleId) -> String {
    format!("/shop/queue?sale={sale}")
}

async fn get(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let [sale] = query::read(request.query(), ["sale"])?;
    let mut errors = FieldErrors::default();
    let wanted: Option<SaleId> = errors.parse("sale", sale);
    errors.check()?;
    let visitor = context.users.visitor(request)?;
    if let Some(user) = &visitor {
        context.rates.check_user(&request.counted, user)?;
    }
    // The browser may have the ticket of somebody who used it before.
    let ticket = context.ticket(request).ok().filter(|ticket| visitor.as_ref() == Some(&ticket.user));
    let id = wanted.or_else(|| meant(context, ticket.as_ref())).ok_or_else(queue_not_found)?;
    let ticket = ticket.filter(|ticket| ticket.sale == id);
    let live = context.shop.find_sale(id).await?.ok_or_else(sale_not_found)?;
    let view = context.rooms.view(id).await?.ok_or_else(queue_not_found)?;
    let (step, pass) = step(context, &live, ticket).await?;
    let room = QueueView::new(&live.sale(), &view, step, context.shop.clock.now());
    let layout =
        Layout { script: &assets::QUEUE_SCRIPT, refresh: room.refresh(&view), ..Layout::titled(room.heading()) };
    let page = QueuePage { layout, room, extensions: PASS_EXTENSIONS };
    let mut answer = html::answer(&request.head.headers, StatusCode::OK, &page)?;
    if let Some(pass) = pass {
        context.set_pass_cookie(request, &mut answer, &context.sign_pass(&pass)?, pass.expires_at);
    }
    Ok(answer)
}

/// Returns the sale that is meant without a name: that of the ticket, the current one, or the next one with a waiting room.
fn meant(context: &Context, ticket: Option<&Ticket>) -> Option<SaleId> {
    let now = context.shop.clock.now();
    let has_room = |live: &Arc<LiveSale>| {
        let sale = live.sale();
        sale.waiting_room && sale.window.status(now) != SaleStatus::Ended
    };
    let mut live = context.shop.sales.all_live();
    live.retain(has_room);
    let own = live.iter().map(|live| live.id()).find(|id| ticket.is_some_and(|ticket| ticket.sale == *id));
    let next = || live.iter().min_by_key(|live| live.sale().window.starts_at).map(|live| live.id());
    own.or_else(|| context.rooms.current()).or_else(next)
}

/// Returns the step that the shopper has reached. A shopper whose place was called takes the pass.
async fn step(context: &Context, live: &LiveSale, ticket: Option<Ticket>) -> Result<(Step, Option<Pass>), Problem> {
    let opens_at = context.rooms.joining_opens_at(&live.sale());
    let Some(Ticket { user, sale, join_number }) = ticket else {
        let is_early = context.shop.clock.now() < opens_at;
        return Ok((if is_early { Step::Early(opens_at) } else { Step::Invited }, None));
    };
    let standing = context.rooms.standing(sale, join_number).await?.ok_or_else(queue_not_found)?;
    Ok(match standing.turn {
        Turn::Undrawn => (Step::Undrawn(join_number), None),
        Turn::Waiting { place, ahead, wait } => (Step::Waiting { join_number, place, ahead, wait }, None),
        Turn::Called { place, pass_expires_at: expires_at } => {
            (Step::Called { join_number, place, expires_at }, Some(Pass { user, sale, place, expires_at }))
        }
    })
}
