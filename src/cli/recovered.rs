//! The shop of a command that changes a sale.

use std::time::Duration;

use crate::application::sale::Shop;
use crate::application::sale::recover::Recovered;
use crate::config::{SaleConfig, StoreConfig};
use crate::domain::shared::SaleId;
use crate::startup::{self, Service};

use super::Failure;

/// Pause while another instance recovers.
const WHILE_ELSEWHERE: Duration = Duration::from_millis(100);

/// Connects a service that may change this sale: Redis holds its state, or holds it again.
pub async fn connect_to(stores: &StoreConfig, sales: &SaleConfig, sale: SaleId) -> Result<Service, Failure> {
    let service = startup::connect(&stores.urls()?, sales.settings()).await?;
    let shop = &service.shop;
    if let Some(sale) = shop.archive.sale(sale).await?
        && !sale.closed
    {
        shop.activate(sale).await?;
        recover(shop).await?;
    }
    Ok(service)
}

/// Restores the sales of this shop that Redis has lost.
pub async fn recover(shop: &Shop) -> Result<(), Failure> {
    while shop.recover().await? == Recovered::Elsewhere {
        tokio::time::sleep(WHILE_ELSEWHERE).await;
    }
    Ok(())
}
