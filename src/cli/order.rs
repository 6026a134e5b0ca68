//! `flashsale order`

use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use strum::VariantArray;

use crate::application::ordering::ports::OrderFilter;
use crate::application::ordering::{Canceller, OrderView, Orders};
use crate::application::payment::Cancellation;
use crate::config::PaymentConfig;
use crate::domain::ordering::{Note, Order, OrderStatus};
use crate::domain::shared::{CheckoutCode, Invalid, OrderId, SaleId};

use super::Failure;
use super::connection::Connection;

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
    connection: Connection,
}

#[derive(Debug, Args)]
struct Cancel {
    /// Checkout code of the order
    code: CheckoutCode,
    /// The reason, which PostgreSQL keeps with the order
    #[arg(long, value_parser = reason)]
    reason: Note,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    payments: PaymentConfig,
}

#[derive(Debug, Args)]
struct List {
    /// State
    #[arg(long, value_parser = statuses())]
    status: OrderStatus,
    /// Only orders of this sale
    #[arg(long)]
    sale: Option<SaleId>,
    /// Most orders to list
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=LIST_MAX))]
    limit: u32,
    #[command(flatten)]
    connection: Connection,
}

impl OrderCommand {
    pub async fn run(self) -> Result<ExitCode, Failure> {
        match self.action {
            Action::Show(Show { code, connection }) => {
                let orders = connection.open_for(code.sale).await?.payments.orders.clone();
                let id = id_of(&orders, code).await?;
                let view = orders.by_id(id).await?.ok_or_else(|| no_order(code))?;
                print(&view);
            }
            Action::Cancel(Cancel { code, reason, connection, mut payments }) => {
                if let Some(provider) = connection.stores.provider() {
                    payments.pay_through(provider)?;
                }
                let payments = payments.settings();
                let service = connection.open_for(code.sale).await?.paid_through(&payments)?;
                let order = id_of(&service.payments.orders, code).await?;
                let canceller = Canceller::Administrator { order };
                match service.payments.cancel(&canceller, Some(&reason)).await? {
                    Cancellation::Done(view) => print(&view),
                    Cancellation::Pending(view, _) => return Err(not_yet(&view.order, payments.provider.is_some())),
                }
            }
            Action::List(List { status, sale, limit, connection }) => {
                let orders = connection.open().await?.payments.orders.clone();
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

fn not_yet(order: &Order, has_provider: bool) -> Failure {
    let reason = match has_provider {
        true => "the payment provider does not answer or has not decided",
        false => {
            "this command knows no payment provider: set PAYMENT_PROVIDER_URL, PAYMENT_PROVIDER_KEY and \
             PAYMENT_WEBHOOK_SECRET as for flashsale serve"
        }
    };
    let text = "A running service cancels the order, unless it is paid: look at it with flashsale order show";
    format!("{} is not cancelled yet: a payment is under way, and {reason}. {text}", order.id).into()
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
    line += &order.reason.map(|reason| format!(" reason={reason}")).unwrap_or_default();
    line + &order.note.as_ref().map(|note| format!(" note={:?}", note.as_str())).unwrap_or_default()
}

fn statuses() -> impl TypedValueParser<Value = OrderStatus> {
    PossibleValuesParser::new(OrderStatus::VARIANTS.iter().map(<&str>::from)).try_map(|word| word.parse())
}

fn reason(text: &str) -> Result<Note, String> {
    text.parse().map_err(|error: Invalid| error.to_string())
}
