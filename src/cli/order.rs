//! `flashsale order`

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::application::ordering::ports::OrderFilter;
use crate::application::ordering::{OrderView, Orders};
use crate::config::{SaleConfig, StoreConfig};
use crate::domain::ordering::{Order, OrderStatus};
use crate::domain::shared::limits::NOTE_CHARS_MAX;
use crate::domain::shared::{CheckoutCode, OrderId, SaleId};
use crate::startup;

use super::Failure;
use super::recovered::connect_to;

/// Orders that a list shows at most.
const LIST_MAX: i64 = 10_000;

#[derive(Debug, Args)]
pub struct OrderCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show an order with its items
    Show(Show),
    /// Cancel an order that is not paid; a running service returns its stock
    Cancel(Cancel),
    /// List orders in one state: the newest sale first, and its newest order first
    List(List),
}

#[derive(Debug, Args)]
struct Show {
    /// Checkout code of the order
    code: CheckoutCode,
    #[command(flatten)]
    stores: StoreConfig,
    #[command(flatten)]
    sales: SaleConfig,
}

#[derive(Debug, Args)]
struct Cancel {
    /// Checkout code of the order
    code: CheckoutCode,
    /// The reason, which PostgreSQL keeps with the order
    #[arg(long, value_parser = reason)]
    reason: String,
    #[command(flatten)]
    stores: StoreConfig,
    #[command(flatten)]
    sales: SaleConfig,
}

#[derive(Debug, Args)]
struct List {
    /// State: RESERVED, PAYMENT_PENDING, PAID, CANCELLED or EXPIRED
    #[arg(long)]
    status: OrderStatus,
    /// Only orders of this sale
    #[arg(long)]
    sale: Option<SaleId>,
    /// Most orders to list
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=LIST_MAX))]
    limit: u32,
    #[command(flatten)]
    stores: StoreConfig,
    #[command(flatten)]
    sales: SaleConfig,
}

impl OrderCommand {
    pub async fn run(self) -> Result<ExitCode, Failure> {
        match self.action {
            Action::Show(Show { code, stores, sales }) => {
                let orders = connect_to(&stores, &sales, code.sale).await?.payments.orders.clone();
                let id = id_of(&orders, code).await?;
                let view = orders.by_id(id).await?.ok_or_else(|| no_order(code))?;
                print(&view);
            }
            Action::Cancel(Cancel { code, reason, stores, sales }) => {
                let orders = connect_to(&stores, &sales, code.sale).await?.payments.orders.clone();
                let id = id_of(&orders, code).await?;
                print(&orders.cancel_by_id(id, Some(reason)).await?);
            }
            Action::List(List { status, sale, limit, stores, sales }) => {
                let orders = startup::connect(&stores.urls()?, sales.settings()).await?.payments.orders.clone();
                let filter = OrderFilter { status, sale, limit: limit as usize };
                orders.list(filter).await?.iter().for_each(|order| println!("{}", line(order)));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Returns the id of the order of a code, from PostgreSQL alone.
async fn id_of(orders: &Orders, code: CheckoutCode) -> Result<OrderId, Failure> {
    let recorded = orders.shop.archive.purchase_by_code(code).await?;
    let id = recorded.map(|recorded| OrderId { sale: code.sale, entry: recorded.id });
    id.ok_or_else(|| no_order(code))
}

fn no_order(code: CheckoutCode) -> Failure {
    format!("{} is no order: nothing was bought with this code, or its sale wants no payment", code.shortened()).into()
}

fn print(OrderView { order, receipt }: &OrderView) {
    println!("{} user={} total={} {}", line(order), receipt.user_id, receipt.total, receipt.currency);
    for item in receipt.lines.iter().filter(|item| item.sold) {
        println!("{} quantity={}", item.id, item.quantity);
    }
}

/// An order in one line.
fn line(order: &Order) -> String {
    let mut line = format!("{} {} version={}", order.id, order.status, order.version.0);
    let times = [("deadline", order.deadline), ("returned_at", order.returned_at)];
    for (name, time) in times.into_iter().filter_map(|(name, time)| Some((name, time?))) {
        line += &format!(" {name}={}", time.to_rfc3339());
    }
    line + &order.reason.map(|reason| format!(" reason={reason}")).unwrap_or_default()
}

fn reason(text: &str) -> Result<String, String> {
    match text.chars().count() {
        1..=NOTE_CHARS_MAX => Ok(text.to_owned()),
        _ => Err(format!("must have 1 to {NOTE_CHARS_MAX} characters")),
    }
}
