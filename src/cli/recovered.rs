//! The shop of a command that changes a sale.

use std::sync::Arc;
use std::time::Duration;

use crate::application::sale::Shop;
use crate::application::sale::recover::Recovered;
use crate::config::{SaleConfig, StoreConfig};
use crate::startup;

use super::Failure;

/// Connects a shop and waits until recovery has checked Redis, which every change of a sale needs.
pub async fn connect_recovered(stores: &StoreConfig, sales: &SaleConfig) -> Result<Arc<Shop>, Failure> {
    let shop = startup::connect(&stores.urls()?, sales.settings()).await?.shop;
    while shop.recover().await? == Recovered::Elsewhere {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(shop)
}
