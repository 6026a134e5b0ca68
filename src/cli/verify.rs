//! `flashsale verify`

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::application::sale::findings::Findings;
use crate::application::sale::pace::Pace;
use crate::config::{SaleConfig, StoreConfig};
use crate::domain::shared::SaleId;
use crate::startup;

use super::Failure;

#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    stores: StoreConfig,
    #[command(flatten)]
    sales: SaleConfig,
    /// Verify only this sale
    #[arg(long)]
    sale: Option<SaleId>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    total: Findings,
    sales: Vec<SaleReport>,
}

#[derive(Serialize)]
struct SaleReport {
    id: SaleId,
    #[serde(flatten)]
    findings: Findings,
}

impl Verify {
    pub async fn run(self) -> Result<ExitCode, Failure> {
        let shop = startup::connect(&self.stores.urls()?, self.sales.settings()).await?.shop;
        let sales = match self.sale {
            None => shop.all_sales(None).await?,
            Some(id) => {
                let sale = shop.archive.sale(id).await?;
                vec![sale.ok_or_else(|| format!("sale {id} does not exist: see `flashsale sale list`"))?]
            }
        };
        let mut report = Report { total: Findings::default(), sales: Vec::new() };
        for sale in &sales {
            let mut pace = Pace::without_pauses();
            let findings = shop.verify(sale, &mut pace).await?;
            if pace.skipped > 0 {
                eprintln!(
                    "{}: {} differences were skipped: too many purchases wait for PostgreSQL",
                    sale.id, pace.skipped
                );
            }
            report.total += findings;
            report.sales.push(SaleReport { id: sale.id, findings });
        }
        self.print(&report)?;
        Ok(if report.total.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn print(&self, report: &Report) -> Result<(), Failure> {
        if self.json {
            println!("{}", serde_json::to_string_pretty(report)?);
            return Ok(());
        }
        for sale in report.sales.iter().filter(|sale| !sale.findings.is_sound()) {
            println!("{}: {}", sale.id, sale.findings);
        }
        println!("{}", report.total);
        Ok(())
    }
}
