//! The connection of a command to the stores.

use std::time::Duration;

use clap::Args;

use crate::application::sale::Shop;
use crate::application::sale::recover::Recovered;
use crate::config::{SaleConfig, StoreConfig};
use crate::domain::shared::SaleId;
use crate::startup::{self, Service};

use super::Failure;

/// Pause while another instance recovers.
const WHILE_ELSEWHERE: Duration = Duration::from_millis(100);

/// The stores of a command, and the rules of its sales.
#[derive(Debug, Args)]
pub struct Connection {
    #[command(flatten)]
    pub stores: StoreConfig,
    #[command(flatten)]
    pub sales: SaleConfig,
}

impl Connection {
    /// Connects a service that changes no sale.
    pub async fn open(&self) -> Result<Service, Failure> {
        Ok(startup::connect(&self.stores.urls()?, self.sales.settings()?).await?)
    }

    /// Connects a service that may change this sale: Redis holds its state, or holds it again.
    pub async fn open_for(&self, sale: SaleId) -> Result<Service, Failure> {
        let service = self.open().await?;
        let shop = &service.shop;
        if let Some(sale) = shop.archive.sale(sale).await?
            && !sale.closed
        {
            shop.activate(sale).await?;
            recover(shop).await?;
        }
        Ok(service)
    }
}

/// Restores the sales of this shop that Redis has lost.
pub async fn recover(shop: &Shop) -> Result<(), Failure> {
    while shop.recover().await? == Recovered::Elsewhere {
        tokio::time::sleep(WHILE_ELSEWHERE).await;
    }
    Ok(())
}
