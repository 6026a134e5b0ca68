//! `flashsale provider`

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;
use tokio::net::TcpListener;

use crate::infrastructure::provider::{ApiKey, FaultPlan, Provider, Receiver, WebhookSecret};
use crate::startup::ServiceError;

use super::Failure;
use super::serve::until_signal;

/// The secrets come from the environment alone, because every user of the machine can read command lines.
const KEY: &str = "PROVIDER_KEY";
const SECRET: &str = "WEBHOOK_SECRET";

#[derive(Debug, Args)]
#[command(
    after_help = "Environment: PROVIDER_KEY is the key that callers must send; WEBHOOK_SECRET signs the webhooks."
)]
pub struct ProviderCommand {
    /// Address of the API
    #[arg(long, default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// PostgreSQL, where the provider keeps its tables in the schema `provider`: postgres://user:password@host/database
    #[arg(long, env = "PROVIDER_DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// URL to which events are posted; without it they wait
    #[arg(long)]
    webhook_url: Option<Receiver>,
    /// Share of the events that are never sent, 0 to 1
    #[arg(long, default_value_t = 0.0, value_parser = rate)]
    lose_webhooks: f64,
    /// Share of the events that are sent twice, 0 to 1
    #[arg(long, default_value_t = 0.0, value_parser = rate)]
    duplicate_webhooks: f64,
    /// Share of the events that are held back for two seconds, 0 to 1
    #[arg(long, default_value_t = 0.0, value_parser = rate)]
    reorder_webhooks: f64,
    /// Seed of all faults: the same seed repeats them
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl ProviderCommand {
    pub async fn run(self) -> Result<ExitCode, Failure> {
        let key = secret(KEY, ApiKey::new)?;
        let secret = secret(SECRET, WebhookSecret::new)?;
        let shutdown = until_signal()?;
        let listener =
            TcpListener::bind(self.listen).await.map_err(|error| ServiceError::Listen(self.listen, error))?;
        let provider = Provider::connect(&self.database_url, self.faults()).await?;
        tracing::info!(address = %listener.local_addr()?, seed = self.seed, "serving");
        provider.serve(listener, key, self.webhook_url, secret, shutdown).await?;
        tracing::info!("stopped");
        Ok(ExitCode::SUCCESS)
    }

    fn faults(&self) -> FaultPlan {
        FaultPlan {
            seed: self.seed,
            lose: self.lose_webhooks,
            duplicate: self.duplicate_webhooks,
            reorder: self.reorder_webhooks,
        }
    }
}

fn secret<T>(name: &str, new: impl FnOnce(String) -> Option<T>) -> Result<T, Failure> {
    let text = std::env::var(name).unwrap_or_default();
    new(text).ok_or_else(|| format!("{name} is not set: set the output of `openssl rand -hex 32`").into())
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.0..=1.0).contains(rate));
    rate.ok_or_else(|| "must be a number from 0 to 1".to_owned())
}
