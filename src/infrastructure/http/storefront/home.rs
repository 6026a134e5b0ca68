//! `GET /`: shows a browser the sale that is on, and redirects others to the documentation.

use std::borrow::Cow;
use std::sync::Arc;

use askama::Template;
use chrono::{DateTime, Utc};
use hyper::{Method, StatusCode};

use crate::application::sale::browse::{ItemsPage, search};
use crate::application::sale::live_sale::LiveSale;
use crate::domain::sale::{Sale, SaleStatus};
use crate::domain::shared::SaleId;
use crate::domain::shared::limits::SALE_ITEMS_MAX;
use crate::infrastructure::http::operations::{DOCS_PAGE, DOCUMENTATION};
use crate::infrastructure::http::platform::limits::settings::Surface;
use crate::infrastructure::http::platform::query::number;
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, Policy, Problem, ProblemCode, answer,
};
use crate::infrastructure::http::sale::problems::sale_not_found;
use crate::infrastructure::http::web::accept::is_browser;
use crate::infrastructure::http::web::{html, number as words};

use super::card::Card;
use super::entry::Entry;
use super::layout::Layout;
use super::picture::{Drawing, Picture};
use super::refusal;
use super::sale_view::{SaleView, State};

/// Items of a page.
const PER_PAGE: usize = 50;

/// Most characters of a search.
const SEARCH_CHARS_MAX: usize = 100;

/// Most other sales that the page names.
const OTHER_SALES_MAX: usize = 6;

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/",
    policy: Policy { refuse: refusal::refuse, ..Policy::DOCUMENTATION },
    describe,
    handler: |context, request| Box::pin(get(context, request)),
};

fn describe() -> Description {
    let description = "Redirects to Swagger UI. A browser (`Accept: text/html`) gets the storefront instead, which is no \
                       part of this document.";
    Description::new(DOCUMENTATION, "getRoot", "Go to the documentation", description)
        .empty_answer(307, "The documentation is at `Location`")
        .header(307, "Location", "The path of the page")
}

/// The page.
#[derive(Template)]
#[template(path = "storefront/home.html")]
struct HomePage<'a> {
    layout: Layout,
    sale: SaleView,
    entry: Entry,
    others: Vec<OtherSale>,
    wanted: &'a Wanted<'a>,
    cards: Vec<Card>,
    drawings: Vec<&'static Drawing>,
    total: usize,
    pages: usize,
    is_current: bool,
}

/// A link to another sale.
struct OtherSale {
    id: SaleId,
    is_open: bool,
    when: String,
}

async fn get(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let headers = &request.head.headers;
    if context.surface == Surface::Operations || !is_browser(headers) {
        return Ok(answer::redirect(StatusCode::TEMPORARY_REDIRECT, DOCS_PAGE));
    }
    let wanted = Wanted::read(request.query());
    let current = context.shop.current_sale();
    let sale = match wanted.sale()? {
        Some(id) => context.shop.find_sale(id).await?.ok_or_else(sale_not_found)?,
        None => current.as_ref().map_err(|_| Problem::unavailable("No sale is open yet."))?.clone(),
    };
    let is_current = current.is_ok_and(|current| current.id() == sale.id());
    let found = wanted.find(&sale).await;
    let now = context.shop.clock.now();
    let cards: Vec<Card> = found.items.iter().filter_map(|(item, left)| Card::new(&sale, *item, *left)).collect();
    let page = HomePage {
        layout: Layout::titled(if is_current { "Now on sale" } else { "Sale" }),
        sale: SaleView::new(&sale, now),
        entry: Entry::of(context, request, sale.id()),
        others: others(context, &sale, now),
        wanted: &wanted,
        drawings: Picture::drawings(cards.iter().map(|card| &card.picture)),
        cards,
        total: found.total,
        pages: found.total.div_ceil(PER_PAGE),
        is_current,
    };
    html::answer(headers, StatusCode::OK, &page)
}

/// Returns other sales that are open or begin soon.
fn others(context: &Context, shown: &LiveSale, now: DateTime<Utc>) -> Vec<OtherSale> {
    let live = context.shop.sales.all_live().into_iter().map(|sale| sale.sale());
    let to_come = live.filter(|sale| sale.id != shown.id() && sale.window.status(now) != SaleStatus::Ended);
    let link = |sale: Arc<Sale>| {
        let is_open = sale.window.status(now) == SaleStatus::Open;
        let time = if is_open { sale.window.ends_at } else { sale.window.starts_at };
        OtherSale { id: sale.id, is_open, when: words::time(time, now) }
    };
    to_come.take(OTHER_SALES_MAX).map(link).collect()
}

/// The part of a sale that the query asks for. Links from elsewhere may add parameters, so unknown ones are ignored.
struct Wanted<'a> {
    sale: Option<Cow<'a, str>>,
    text: Cow<'a, str>,
    only_left: bool,
    page: usize,
}

impl<'a> Wanted<'a> {
    fn read(query: Option<&'a str>) -> Self {
        let value = |name: &str| {
            let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
            pairs.find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| value)
        };
        let text: Cow<'a, str> = value("q").unwrap_or_default();
        let page =
            value("page").and_then(|page| number(&page)).filter(|page| (1..=SALE_ITEMS_MAX as usize).contains(page));
        Wanted {
            sale: value("sale"),
            text: text.trim().chars().take(SEARCH_CHARS_MAX).collect::<String>().into(),
            only_left: value("left").is_some(),
            page: page.unwrap_or(1),
        }
    }

    fn sale(&self) -> Result<Option<SaleId>, Problem> {
        let parse = |text: &str| text.parse().map_err(|_| Problem::new(ProblemCode::SaleNotFound, ""));
        self.sale.as_deref().map(parse).transpose()
    }

    async fn find(&self, sale: &Arc<LiveSale>) -> ItemsPage {
        match self.text.is_empty() {
            true => sale.page(self.page, PER_PAGE, self.only_left.then_some(true)),
            false => search(sale.clone(), &self.text, self.page, PER_PAGE).await,
        }
    }

    /// Returns the path of another page of the same list.
    fn path_of(&self, page: usize) -> String {
        self.path(self.only_left, page)
    }

    /// Returns the path of the first page, of all items or only of those that are left.
    fn path_with(&self, only_left: bool) -> String {
        self.path(only_left, 1)
    }

    fn path(&self, only_left: bool, page: usize) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let Some(sale) = &self.sale {
            query.append_pair("sale", sale);
        }
        if !self.text.is_empty() {
            query.append_pair("q", &self.text);
        }
        if only_left {
            query.append_pair("left", "1");
        }
        if page > 1 {
            query.append_pair("page", &page.to_string());
        }
        match query.finish() {
            query if query.is_empty() => "/".to_owned(),
            query => format!("/?{query}"),
        }
    }
}
