//! `flashsale migrate`

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::config::StoreConfig;
use crate::startup;

use super::Failure;

#[derive(Debug, Args)]
pub struct Migrate {
    #[command(subcommand)]
    step: Step,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// Bring the schema up to what this program needs
    Up(StoreConfig),
    /// Take the last migration back, and with it what is stored there
    Down(StoreConfig),
    /// List the migrations
    Status(StoreConfig),
}

impl Migrate {
    pub async fn run(self) -> Result<ExitCode, Failure> {
        let (Step::Up(stores) | Step::Down(stores) | Step::Status(stores)) = &self.step;
        let archive = startup::connect_postgres(&stores.urls_without_redis()?).await?;
        match self.step {
            Step::Up(_) => archive.migrate_up().await?,
            Step::Down(_) => archive.migrate_down().await?,
            Step::Status(_) => {}
        }
        for migration in archive.migrations().await? {
            let state = if migration.is_applied { "applied" } else { "pending" };
            println!("{:04} {state} {}", migration.version, migration.description);
        }
        Ok(ExitCode::SUCCESS)
    }
}
