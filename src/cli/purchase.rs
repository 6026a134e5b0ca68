//! `flashsale purchase`

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::domain::shared::{CheckoutCode, ItemId, OrderId};

use super::Failure;
use super::connection::Connection;

#[derive(Debug, Args)]
pub struct PurchaseCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Void a committed purchase that is no order, in a sale that is not closed: its units are for sale again, its receipt stays
    Void(Void),
}

#[derive(Debug, Args)]
struct Void {
    /// Checkout code of the purchase
    code: CheckoutCode,
    /// The reason, which PostgreSQL keeps with the units
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    connection: Connection,
}

impl PurchaseCommand {
    pub async fn run(self) -> Result<ExitCode, Failure> {
        let Action::Void(void) = self.action;
        let shop = void.connection.open_for(void.code.sale).await?.shop;
        let voided = shop.void(void.code, &void.reason).await?;
        let sale = void.code.sale;
        let (order, units) = (OrderId { sale, entry: voided.id }, voided.purchase.units.len());
        println!("{order} void user={} units={units}", voided.purchase.user);
        for line in voided.purchase.lines() {
            println!("{} quantity={}", ItemId { sale, ordinal: line.ordinal }, line.quantity);
        }
        Ok(ExitCode::SUCCESS)
    }
}
