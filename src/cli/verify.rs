//! `flashsale verify`

use std::fmt;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::application::ordering::OrderFindings;
use crate::application::sale::findings::Findings;
use crate::application::sale::pace::Pace;
use crate::domain::shared::SaleId;
use crate::startup::Service;

use super::Failure;
use super::connection::Connection;

#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    connection: Connection,
    /// Verify only this sale
    #[arg(long)]
    sale: Option<SaleId>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The findings about a sale or all sales.
#[derive(Clone, Copy, Default, Serialize)]
struct Verified {
    #[serde(flatten)]
    findings: Findings,
    #[serde(flatten)]
    orders: OrderFindings,
}

impl Verified {
    fn is_sound(&self) -> bool {
        self.findings.is_sound() && self.orders.is_sound()
    }
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.findings, self.orders)
    }
}

#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    total: Verified,
    sales: Vec<SaleReport>,
}

#[derive(Serialize)]
struct SaleReport {
    id: SaleId,
    #[serde(flatten)]
    verified: Verified,
}

impl Verify {
    pub async fn run(self) -> Result<ExitCode, Failure> {
        let Service { shop, payments, .. } = self.connection.open().await?;
        let sales = match self.sale {
            None => shop.all_sales(None).await?,
            Some(id) => {
                let sale = shop.archive.sale(id).await?;
                vec![sale.ok_or_else(|| format!("sale {id} does not exist: see `flashsale sale list`"))?]
            }
        };
        let mut report = Report { total: Verified::default(), sales: Vec::new() };
        for sale in &sales {
            let mut pace = Pace::without_pauses();
            let findings = shop.verify(sale, &mut pace).await?;
            if pace.skipped > 0 {
                eprintln!(
                    "{}: {} differences were skipped: too many purchases wait for PostgreSQL",
                    sale.id, pace.skipped
                );
            }
            let verified = Verified { findings, orders: payments.orders.verify(sale.id).await? };
            report.total.findings += findings;
            report.total.orders += verified.orders;
            report.sales.push(SaleReport { id: sale.id, verified });
        }
        self.print(&report)?;
        Ok(if report.total.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn print(&self, report: &Report) -> Result<(), Failure> {
        if self.json {
            println!("{}", serde_json::to_string_pretty(report)?);
            return Ok(());
        }
        for sale in report.sales.iter().filter(|sale| !sale.verified.is_sound()) {
            println!("{}: {}", sale.id, sale.verified);
        }
        println!("{}", report.total);
        Ok(())
    }
}
