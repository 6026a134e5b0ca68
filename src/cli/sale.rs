//! `flashsale sale`

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};

use crate::application::sale::create_sale::{NewSale, Offer};
use crate::domain::sale::{Sale, SaleStatus};
use crate::domain::shared::limits::USER_UNITS_MAX;
use crate::domain::shared::{Currency, SaleId};
use crate::infrastructure::catalog_csv;

use super::Failure;
use super::connection::{Connection, recover};

#[derive(Debug, Args)]
pub struct SaleCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create a sale of generated items, one unit each
    Create(Create),
    /// Create a sale of the items in a CSV file with the columns name,image_url,price and, optionally, stock
    Import(Import),
    /// List the newest sales
    List(List),
    /// End a sale now; it cannot be opened again
    End(End),
}

#[derive(Debug, Args)]
struct Create {
    /// Number of items
    #[arg(long)]
    items: u32,
    #[command(flatten)]
    window: WindowArgs,
}

#[derive(Debug, Args)]
struct Import {
    /// The file; its first line names the columns
    file: PathBuf,
    /// The currency of all prices
    #[arg(long, default_value = "EUR")]
    currency: Currency,
    #[command(flatten)]
    window: WindowArgs,
}

#[derive(Debug, Args)]
struct WindowArgs {
    /// Start of the sale, such as 2026-11-20T09:30:00Z [default: now]
    #[arg(long)]
    starts_at: Option<DateTime<Utc>>,
    /// End of the sale [default: one period after the start]
    #[arg(long)]
    ends_at: Option<DateTime<Utc>>,
    /// Units of the sale that a user may own [default: USER_LIMIT]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=USER_UNITS_MAX as i64))]
    per_user_limit: Option<u32>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
struct List {
    /// Only sales in this state: scheduled, open or ended
    #[arg(long)]
    status: Option<SaleStatus>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
struct End {
    /// Id of the sale
    id: SaleId,
    #[command(flatten)]
    connection: Connection,
}

impl SaleCommand {
    pub async fn run(self) -> Result<ExitCode, Failure> {
        match self.action {
            Action::Create(create) => create.window.make(Offer::Generated(create.items)).await?,
            Action::Import(import) => {
                let items = catalog_csv::read(&fs::read_to_string(&import.file)?, import.currency)?;
                import.window.make(Offer::Listed(import.currency, items)).await?;
            }
            Action::List(list) => {
                let shop = list.connection.open().await?.shop;
                shop.clock.set(shop.store.now().await?);
                let sales = shop.all_sales(list.status).await?;
                sales.iter().for_each(|sale| print(sale, shop.clock.now()));
            }
            Action::End(end) => {
                let shop = end.connection.open_for(end.id).await?.shop;
                let sale = shop
                    .end_sale(end.id)
                    .await?
                    .ok_or_else(|| format!("sale {} does not exist: see `flashsale sale list`", end.id))?;
                // Redis set the end, and its clock may be ahead of the estimate of this process.
                print(&sale, shop.clock.now().max(sale.window.ends_at));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl WindowArgs {
    async fn make(self, offer: Offer) -> Result<(), Failure> {
        let shop = self.connection.open().await?.shop;
        let (starts_at, ends_at, user_limit) = (self.starts_at, self.ends_at, self.per_user_limit);
        let payment_window = self.connection.sales.payment_window;
        let waiting_room = self.connection.sales.has_waiting_room();
        let new_sale = NewSale { starts_at, ends_at, offer, user_limit, payment_window, waiting_room };
        let sale = shop.create_sale(new_sale).await?;
        recover(&shop).await?;
        print(&sale, shop.clock.now());
        Ok(())
    }
}

fn print(sale: &Sale, now: DateTime<Utc>) {
    let status = sale.window.status(now);
    let (starts_at, ends_at) = (sale.window.starts_at.to_rfc3339(), sale.window.ends_at.to_rfc3339());
    println!("{} {status} {starts_at} {ends_at} items={} units={}", sale.id, sale.items, sale.units);
}
