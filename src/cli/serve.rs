//! `flashsale serve`

use std::process::ExitCode;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::{HttpConfig, PaymentConfig, SaleConfig, StoreConfig};
use crate::startup::{self, Listeners};

use super::Failure;

#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    stores: StoreConfig,
    #[command(flatten)]
    sales: SaleConfig,
    #[command(flatten)]
    http: HttpConfig,
    #[command(flatten)]
    payments: PaymentConfig,
}

impl Serve {
    pub async fn run(self) -> Result<ExitCode, Failure> {
        let (shutdown, sales) = (until_signal()?, self.sales.settings()?);
        let rooms = self.sales.rooms(&self.http.users)?;
        let listeners = Listeners::bind(&self.http)?;
        let service = startup::connect(&self.stores.urls()?, sales).await?;
        tracing::info!(address = %listeners.shopping.local_addr()?, "serving");
        if let Some(operations) = &listeners.operations {
            tracing::info!(address = %operations.local_addr()?, "serving /metrics and /admin on their own address");
        }
        let payments = self.payments.settings();
        let http = self.http.settings().told_with(payments.webhook_secret.clone());
        service.paid_through(&payments)?.admitting(rooms).serve(http, listeners, shutdown).await?;
        tracing::info!("stopped");
        Ok(ExitCode::SUCCESS)
    }
}

/// Returns a token that SIGTERM and SIGINT cancel.
pub fn until_signal() -> Result<CancellationToken, Failure> {
    let shutdown = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let token = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("received SIGTERM: stopping"),
            _ = interrupt.recv() => tracing::info!("received SIGINT: stopping"),
        }
        token.cancel();
    });
    Ok(shutdown)
}
