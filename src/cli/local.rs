//! `flashsale local`

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use sqlx::migrate::MigrateError;
use tokio_util::sync::CancellationToken;

use crate::application::sale::{Settings, Shop};
use crate::config::{DataDirConfig, HttpConfig, PaymentConfig, PoolConfig, SaleConfig, StoreUrls};
use crate::infrastructure::local::Stores;
use crate::startup::{self, Listeners};

use super::Failure;
use super::serve::until_signal;

#[derive(Debug, Args)]
pub struct Local {
    #[command(flatten)]
    data_dir: DataDirConfig,
    /// Delete the data and start with empty stores
    #[arg(long)]
    fresh: bool,
    #[command(flatten)]
    pool: PoolConfig,
    #[command(flatten)]
    sales: SaleConfig,
    #[command(flatten)]
    http: HttpConfig,
    #[command(flatten)]
    payments: PaymentConfig,
}

impl Local {
    pub async fn run(mut self) -> Result<ExitCode, Failure> {
        let (shutdown, sales) = (until_signal()?, self.sales.settings()?);
        let listeners = Listeners::bind(&self.http)?;
        let data_dir = self.data_dir.path()?;
        println!("starting Redis and PostgreSQL with their data in {}", data_dir.display());
        let mut stores = Stores::start(&data_dir, self.fresh).await?;
        if self.sales.has_waiting_room() && self.http.users.token_keys.is_none() {
            self.http.users.token_keys = Some(stores.token_keys()?.parse()?);
        }
        if self.wants_provider() {
            let provider = stores.start_provider(webhook_url(listeners.shopping.local_addr()?)).await?;
            println!("the stand-in payment provider listens on {}", provider.url);
            self.payments.pay_through(provider)?;
        }
        let stores = Arc::new(stores);
        let supervised = stores.clone();
        let supervisor = tokio::spawn(async move { supervised.supervise().await });
        let served = self.serve(&stores, sales, listeners, shutdown).await;
        supervisor.abort();
        stores.stop().await;
        served?;
        println!("stopped; the next `flashsale local` continues with these data");
        Ok(ExitCode::SUCCESS)
    }

    fn wants_provider(&self) -> bool {
        self.sales.payment_window.is_some() && self.payments.payment_provider_url.is_none()
    }

    async fn serve(
        self,
        stores: &Stores,
        sales: Settings,
        listeners: Listeners,
        shutdown: CancellationToken,
    ) -> Result<(), Failure> {
        let urls = StoreUrls {
            postgres: stores.postgres_url().to_owned(),
            redis: stores.redis_url().to_owned(),
            connections: self.pool.database_connections,
        };
        startup::connect_postgres(stores.owner_url(), urls.connections)
            .await?
            .migrate_up()
            .await
            .map_err(or_incompatible)?;
        let rooms = self.sales.rooms(&self.http.users)?;
        let service = startup::connect(&urls, sales).await?.admitting(rooms);
        let address = listeners.shopping.local_addr()?;
        stores.publish(address)?;
        let announcing = tokio::spawn(announce(service.shop.clone(), address));
        let payments = self.payments.settings();
        let http = self.http.settings().told_with(payments.webhook_secret.clone());
        let served = service.paid_through(&payments)?.serve(http, listeners, shutdown).await;
        announcing.abort();
        Ok(served?)
    }
}

/// Returns the URL at which a service that listens on this address takes the events of the provider.
fn webhook_url(mut listen: SocketAddr) -> String {
    if listen.ip().is_unspecified() {
        listen.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    format!("http://{listen}/payments/webhook")
}

/// Prints the open sale and the address as soon as there is a sale.
async fn announce(shop: Arc<Shop>, address: SocketAddr) {
    let sale = loop {
        match shop.current_sale() {
            Ok(sale) => break sale.sale(),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    println!("sale {} of {} items is open until {}", sale.id, sale.items, sale.window.ends_at.format("%H:%M:%S UTC"));
    println!("serving on http://{address}");
    println!("  curl http://{address}/sales/active");
    println!("  curl -X POST 'http://{address}/checkout?user_id=ann&id=42'");
    println!("Press Ctrl-C to stop");
}

/// Explains a schema that another version of the program made.
fn or_incompatible(error: MigrateError) -> Failure {
    match error {
        MigrateError::VersionMismatch(_) | MigrateError::VersionMissing(_) => {
            format!("the data directory is from an incompatible version ({error}): start with --fresh").into()
        }
        error => error.into(),
    }
}
