//! Sales and their items.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sqlx::Connection;

use crate::application::sale::ports::{SaleArchive, SaleFilter, SalePage};
use crate::application::shared::StoreError;
use crate::domain::sale::{Catalog, Item, PaymentWindow, Sale, SaleStatus, Window};
use crate::domain::shared::{Money, Ordinal, SaleId, SaleKind};

use super::connection::PgArchive;
use super::errors::store_error;
use super::statement::Statement;

/// Items that one statement creates or reads. A statement must end before the timeout of its connection.
const ITEMS_BATCH: usize = 20_000;

struct SaleRow {
    id: String,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    user_limit: i32,
    payment_window: Option<i32>,
    currency: String,
    items: i32,
    units: i32,
    closed_at: Option<DateTime<Utc>>,
}

impl SaleRow {
    fn into_sale(self) -> Result<Sale, StoreError> {
        let id: SaleId = self.id.parse().map_err(|_| StoreError::corrupt(&self.id))?;
        Ok(Sale {
            id,
            window: Window::new(self.starts_at, self.ends_at).map_err(StoreError::corrupt)?,
            user_limit: unsigned(self.user_limit)?,
            payment_window: self.payment_window.map(payment_window).transpose()?,
            currency: self.currency.parse().map_err(StoreError::corrupt)?,
            items: unsigned(self.items)?,
            units: unsigned(self.units)?,
            closed: self.closed_at.is_some(),
        })
    }
}

/// A row of the table `items`.
pub(super) struct ItemRow {
    pub name: String,
    pub image_url: String,
    pub price: Decimal,
    pub stock: i32,
}

impl ItemRow {
    pub(super) fn into_item(self) -> Result<Item, StoreError> {
        let price = Money::try_from(self.price).map_err(StoreError::corrupt)?;
        Item::new(self.name, self.image_url, price, unsigned(self.stock)?).map_err(StoreError::corrupt)
    }
}

#[async_trait]
impl SaleArchive for PgArchive {
    async fn create_sale(&self, sale: &Sale, catalog: &Catalog) -> Result<bool, StoreError> {
        let mut lease = self.pool.lease().await.map_err(store_error)?;
        let mut transaction = Statement::Begin.run(lease.begin()).await?;
        let key = sqlx::query_file_scalar!(
            "src/infrastructure/postgres/queries/create_sale.sql",
            sale.id.to_string(),
            sale.id.kind() == SaleKind::Hourly,
            sale.window.starts_at,
            sale.window.ends_at,
            sale.user_limit as i32,
            sale.currency.as_str(),
            sale.items as i32,
            sale.units as i32,
            catalog.iter().map(|(_, item)| item.stock()).min().unwrap_or(1) as i32,
            sale.payment_window.map(|window| window.seconds() as i32),
            catalog.iter().map(|(_, item)| item.price().amount()).min().unwrap_or_default(),
        );
        let key = Statement::CreateSale.run(key.fetch_optional(&mut *transaction)).await?;
        let Some(key) = key else { return Ok(false) };
        let items: Vec<(Ordinal, &Item)> = catalog.iter().collect();
        for chunk in items.chunks(ITEMS_BATCH) {
            let created = sqlx::query_file!(
                "src/infrastructure/postgres/queries/create_items.sql",
                key,
                &chunk.iter().map(|(ordinal, _)| ordinal.get() as i32).collect::<Vec<i32>>(),
                &chunk.iter().map(|(_, item)| item.name()).collect::<Vec<&str>>() as &[&str],
                &chunk.iter().map(|(_, item)| item.image_url()).collect::<Vec<&str>>() as &[&str],
                &chunk.iter().map(|(_, item)| item.price().amount()).collect::<Vec<Decimal>>(),
                &chunk.iter().map(|(_, item)| item.stock() as i32).collect::<Vec<i32>>(),
            );
            Statement::CreateItems.run(created.execute(&mut *transaction)).await?;
        }
        Statement::Commit.run(transaction.commit()).await?;
        lease.end(Ok(true)).map_err(store_error)
    }

    async fn sales(&self, filter: SaleFilter) -> Result<Vec<Sale>, StoreError> {
        let rows = match filter {
            SaleFilter::Live => self.live_sales().await?,
            SaleFilter::Page(page) => self.page_of_sales(page).await?,
        };
        rows.into_iter().map(SaleRow::into_sale).collect()
    }

    async fn sale(&self, id: SaleId) -> Result<Option<Sale>, StoreError> {
        let row = sqlx::query_as!(
            SaleRow,
            "SELECT id, starts_at, ends_at, user_limit, payment_window, currency, items, units, closed_at FROM sales WHERE id = $1",
            id.to_string(),
        );
        Statement::Sale.run(row.fetch_optional(&self.pool)).await?.map(SaleRow::into_sale).transpose()
    }

    async fn catalog(&self, sale: SaleId) -> Result<Catalog, StoreError> {
        let id = sale.to_string();
        let currency = sqlx::query_scalar!("SELECT currency FROM sales WHERE id = $1", id);
        let currency =
            Statement::Catalog.run(currency.fetch_one(&self.pool)).await?.parse().map_err(StoreError::corrupt)?;
        let mut items: Vec<Item> = Vec::new();
        loop {
            let rows = sqlx::query_as!(
                ItemRow,
                "SELECT name, image_url, price, stock FROM items
                 WHERE sale = (SELECT key FROM sales WHERE id = $1) AND ordinal BETWEEN $2 AND $3 ORDER BY ordinal",
                id,
                (items.len() + 1) as i32,
                (items.len() + ITEMS_BATCH) as i32,
            );
            let rows = Statement::Catalog.run(rows.fetch_all(&self.pool)).await?;
            let is_last = rows.len() < ITEMS_BATCH;
            for row in rows {
                items.push(row.into_item()?);
            }
            if is_last {
                break;
            }
        }
        Catalog::new(currency, items).map_err(StoreError::corrupt)
    }

    async fn end_sale(&self, id: SaleId, now: DateTime<Utc>) -> Result<Option<Sale>, StoreError> {
        let row = sqlx::query_as!(
            SaleRow,
            "UPDATE sales SET ends_at = LEAST(ends_at, GREATEST(starts_at, $2)) WHERE id = $1
             RETURNING id, starts_at, ends_at, user_limit, payment_window, currency, items, units, closed_at",
            id.to_string(),
            now,
        );
        Statement::EndSale.run(row.fetch_optional(&self.pool)).await?.map(SaleRow::into_sale).transpose()
    }

    async fn is_settled(&self, id: SaleId) -> Result<bool, StoreError> {
        let is_open = sqlx::query_scalar!(
            r#"SELECT EXISTS (
                   SELECT FROM orders
                   WHERE sale = (SELECT key FROM sales WHERE id = $1) AND deadline IS NOT NULL
               ) OR EXISTS (
                   SELECT FROM orders
                   WHERE sale = (SELECT key FROM sales WHERE id = $1)
                     AND status IN ('CANCELLED', 'EXPIRED') AND returned_at IS NULL
               ) AS "is_open!""#,
            id.to_string(),
        );
        Ok(!Statement::IsSettled.run(is_open.fetch_one(&self.pool)).await?)
    }

    async fn close_sale(&self, id: SaleId) -> Result<(), StoreError> {
        let closed =
            sqlx::query!("UPDATE sales SET closed_at = now() WHERE id = $1 AND closed_at IS NULL", id.to_string());
        Statement::CloseSale.run(closed.execute(&self.pool)).await.map(|_done| ())
    }
}

impl PgArchive {
    async fn live_sales(&self) -> Result<Vec<SaleRow>, StoreError> {
        let rows = sqlx::query_as!(
            SaleRow,
            "SELECT id, starts_at, ends_at, user_limit, payment_window, currency, items, units, closed_at FROM sales
             WHERE closed_at IS NULL ORDER BY starts_at DESC, id DESC",
        );
        Statement::Sales.run(rows.fetch_all(&self.pool)).await
    }

    async fn page_of_sales(&self, page: SalePage) -> Result<Vec<SaleRow>, StoreError> {
        let at = |wanted| page.status.and_then(|(status, now)| (status == wanted).then_some(now));
        let rows = sqlx::query_as!(
            SaleRow,
            "SELECT id, starts_at, ends_at, user_limit, payment_window, currency, items, units, closed_at FROM sales
             WHERE ($1::timestamptz IS NULL OR (starts_at > $1 AND ends_at > starts_at))
               AND ($2::timestamptz IS NULL OR (starts_at <= $2 AND ends_at > $2))
               AND ($3::timestamptz IS NULL OR ends_at <= $3 OR ends_at = starts_at)
               AND ($4::timestamptz IS NULL OR (starts_at, id) < ($4, $5::text))
             ORDER BY starts_at DESC, id DESC LIMIT $6",
            at(SaleStatus::Scheduled),
            at(SaleStatus::Open),
            at(SaleStatus::Ended),
            page.after.map(SaleId::starts_at),
            page.after.map(|after| after.to_string()),
            page.limit as i64,
        );
        Statement::Sales.run(rows.fetch_all(&self.pool)).await
    }
}

/// Reads a payment window.
pub(super) fn payment_window(seconds: i32) -> Result<PaymentWindow, StoreError> {
    PaymentWindow::try_from(unsigned(seconds)?).map_err(StoreError::corrupt)
}

/// Reads a number that is never negative.
fn unsigned(number: i32) -> Result<u32, StoreError> {
    u32::try_from(number).map_err(StoreError::corrupt)
}
