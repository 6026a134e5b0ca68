//! Ending a sale before its time.

use crate::application::shared::StoreError;
use crate::domain::sale::Sale;
use crate::domain::shared::SaleId;

use super::shop::Shop;

impl Shop {
    /// Ends a sale now, for good. Returns `None` if there is no such sale. A sale that has ended stays as it is.
    pub async fn end_sale(&self, id: SaleId) -> Result<Option<Sale>, StoreError> {
        let Some(live) = self.find_sale(id).await? else { return Ok(None) };
        if live.sale().closed {
            return Ok(Some((*live.sale()).clone()));
        }
        let epoch = self.enter(&live)?;
        let now = self.store.now().await?;
        let Some(sale) = self.archive.end_sale(id, now).await? else { return Ok(None) };
        self.sale_lists.forget();
        epoch.check(self.store.end(epoch.number(), id, sale.window.ends_at).await)?;
        live.update(sale.clone());
        Ok(Some(sale))
    }
}
