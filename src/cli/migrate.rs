//! `flashsale migrate`

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::config::StoreConfig;
use crate::infrastructure::postgres::{Loss, PgArchive};
use crate::startup;

use super::Failure;

#[derive(Debug, Args)]
pub struct Migrate {
    #[command(subcommand)]
    step: Step,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// Apply all pending migrations
    Up(StoreConfig),
    /// Revert the last migration and delete the data in its tables
    Down(Down),
    /// List the migrations
    Status(StoreConfig),
}

#[derive(Debug, Args)]
struct Down {
    /// Delete the data; without this, only print what would be deleted
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    stores: StoreConfig,
}

impl Migrate {
    pub async fn run(self) -> Result<ExitCode, Failure> {
        let (Step::Up(stores) | Step::Down(Down { stores, .. }) | Step::Status(stores)) = &self.step;
        let archive = startup::connect_postgres(&stores.owner_url()?, stores.pool.database_connections).await?;
        match self.step {
            Step::Up(_) => archive.migrate_up().await?,
            Step::Down(Down { yes, .. }) => revert(&archive, yes).await?,
            Step::Status(_) => {}
        }
        for migration in archive.migrations().await? {
            let state = if migration.is_applied { "applied" } else { "pending" };
            println!("{:04} {state} {}", migration.version, migration.description);
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn revert(archive: &PgArchive, is_confirmed: bool) -> Result<(), Failure> {
    match archive.loss_of_migrate_down().await? {
        Some(loss) if !is_confirmed => Err(refusal(&loss).into()),
        _ => Ok(archive.migrate_down().await?),
    }
}

fn refusal(loss: &Loss) -> String {
    let tables: Vec<String> = loss.tables.iter().map(|(table, rows)| format!("{table} ({rows} rows)")).collect();
    format!(
        "reverting the migration \"{}\" deletes these tables with their data: {}. Back up the database first, then run \
         this again with --yes",
        loss.migration,
        tables.join(", "),
    )
}
