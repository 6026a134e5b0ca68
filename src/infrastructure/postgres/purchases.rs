//! Purchases.

use std::collections::HashMap;

use async_trait::async_trait;

use crate::application::sale::ports::{ArchiveFindings, PurchaseArchive, PurchasePage, RecordedPurchase};
use crate::application::shared::StoreError;
use crate::domain::sale::{CartLine, Item, Purchase, Receipt, SoldUnit};
use crate::domain::shared::limits::CART_UNITS;
use crate::domain::shared::{CheckoutCode, Currency, ItemId, LedgerId, Ordinal, RequestId, SaleId, UserId};

use super::connection::PgArchive;
use super::sales::ItemRow;
use super::statement::Statement;

/// A row of the view `recorded_purchases`. PostgreSQL does not know that its columns are never null.
#[derive(Debug)]
struct PurchaseRow {
    ledger_id: Option<i64>,
    code: Option<String>,
    user_id: Option<String>,
    request_id: Option<String>,
    missed: Option<sqlx::types::Json<Vec<CartLine>>>,
    unit_count: Option<i32>,
    ordinals: Option<Vec<i32>>,
    units: Option<Vec<i32>>,
    slots: Option<Vec<i32>>,
}

impl PurchaseRow {
    fn into_recorded(self) -> Result<RecordedPurchase, StoreError> {
        let unreadable = StoreError::corrupt(&self);
        self.read().ok_or(unreadable)
    }

    fn read(self) -> Option<RecordedPurchase> {
        let request: Option<RequestId> = match self.request_id {
            Some(request) => Some(request.parse().ok()?),
            None => None,
        };
        let units = self.ordinals?.into_iter().zip(self.units?).zip(self.slots?);
        let unit = |((ordinal, unit), slot): ((i32, i32), i32)| {
            let ordinal = Ordinal::try_from(u32::try_from(ordinal).ok()?).ok()?;
            Some(SoldUnit { ordinal, unit: unit.try_into().ok()?, slot: slot.try_into().ok()? })
        };
        let units: Vec<SoldUnit> = units.map(unit).collect::<Option<_>>()?;
        let unit_count = usize::try_from(self.unit_count?).ok()?;
        let is_complete =
            |units: &Vec<SoldUnit>| units.len() == unit_count && (1..=CART_UNITS as usize).contains(&unit_count);
        let purchase = Purchase {
            code: self.code?.parse().ok()?,
            user: self.user_id?.parse().ok()?,
            request,
            units: Some(units).filter(is_complete)?,
            missed: self.missed?.0,
        };
        Some(RecordedPurchase { id: self.ledger_id?.try_into().ok()?, purchase, replayed: true })
    }
}

#[async_trait]
impl PurchaseArchive for PgArchive {
    async fn purchase_by_code(&self, code: CheckoutCode) -> Result<Option<RecordedPurchase>, StoreError> {
        let record = sqlx::query_as!(
            PurchaseRow,
            r#"SELECT ledger_id, code, user_id, request_id, missed AS "missed: _", unit_count, ordinals, units, slots
               FROM recorded_purchases WHERE sale_id = $1 AND code = $2"#,
            code.sale.to_string(),
            code.to_string(),
        );
        Statement::PurchaseByCode
            .run(record.fetch_optional(&self.pool))
            .await?
            .map(PurchaseRow::into_recorded)
            .transpose()
    }

    async fn purchase_by_request(
        &self,
        sale: SaleId,
        user: &UserId,
        request: &RequestId,
    ) -> Result<Option<RecordedPurchase>, StoreError> {
        let record = sqlx::query_as!(
            PurchaseRow,
            r#"SELECT ledger_id, code, user_id, request_id, missed AS "missed: _", unit_count, ordinals, units, slots
               FROM recorded_purchases WHERE sale_id = $1 AND user_id = $2 AND request_id = $3"#,
            sale.to_string(),
            user.as_str(),
            request.as_str(),
        );
        Statement::PurchaseByRequest
            .run(record.fetch_optional(&self.pool))
            .await?
            .map(PurchaseRow::into_recorded)
            .transpose()
    }

    async fn receipts_of(&self, user: &UserId, page: PurchasePage) -> Result<Vec<Receipt>, StoreError> {
        let rows = sqlx::query_as!(
            PurchaseRow,
            r#"SELECT ledger_id, code, user_id, request_id, missed AS "missed: _", unit_count, ordinals, units, slots
               FROM recorded_purchases WHERE user_id = $1 AND ($2::text IS NULL OR sale_id = $2)
                 AND ($3::bigint IS NULL OR (ledger_id, sale_id) < ($3, $4::text))
               ORDER BY ledger_id DESC, sale_id DESC LIMIT $5"#,
            user.as_str(),
            page.sale.map(|sale| sale.to_string()),
            page.after.map(|after| after.entry.to_i64()),
            page.after.map(|after| after.sale.to_string()),
            page.limit as i64,
        );
        let rows = Statement::ReceiptsOf.run(rows.fetch_all(&self.pool)).await?;
        let recorded: Vec<RecordedPurchase> =
            rows.into_iter().map(PurchaseRow::into_recorded).collect::<Result<_, _>>()?;
        let items = self.items_in(&recorded).await?;
        let receipt = |recorded: &RecordedPurchase| {
            let sale = recorded.purchase.code.sale;
            let first = items.get(&ItemId { sale, ordinal: recorded.purchase.units.first()?.ordinal })?;
            let item = |ordinal| items.get(&ItemId { sale, ordinal }).map(|(_, item)| item);
            Receipt::new(first.0, item, recorded.id, &recorded.purchase).ok()
        };
        recorded.iter().map(|recorded| receipt(recorded).ok_or_else(|| StoreError::corrupt(recorded))).collect()
    }

    async fn purchases_in(
        &self,
        sale: SaleId,
        after: LedgerId,
        max: usize,
    ) -> Result<Vec<RecordedPurchase>, StoreError> {
        let records = sqlx::query_as!(
            PurchaseRow,
            r#"SELECT ledger_id, code, user_id, request_id, missed AS "missed: _", unit_count, ordinals, units, slots
               FROM recorded_purchases WHERE sale_id = $1 AND ledger_id > $2 ORDER BY ledger_id LIMIT $3"#,
            sale.to_string(),
            after.to_i64(),
            max as i64,
        );
        let records = Statement::PurchasesIn.run(records.fetch_all(&self.bulk)).await?;
        records.into_iter().map(PurchaseRow::into_recorded).collect()
    }

    async fn check(&self, sale: SaleId) -> Result<ArchiveFindings, StoreError> {
        let row = sqlx::query_file!("src/infrastructure/postgres/queries/check.sql", sale.to_string());
        let row = Statement::Check.run(row.fetch_one(&self.bulk)).await?;
        Ok(ArchiveFindings {
            sold: count(row.sold)?,
            oversold: count(row.oversold)?,
            over_limit: count(row.over_limit)?,
            wrong_totals: count(row.wrong_totals)?,
        })
    }
}

impl PgArchive {
    /// Reads the items of these purchases, sold or missed, each with its currency.
    async fn items_in(&self, recorded: &[RecordedPurchase]) -> Result<HashMap<ItemId, (Currency, Item)>, StoreError> {
        let ids = recorded.iter().flat_map(|recorded| {
            let bought = recorded.purchase.units.iter().map(|unit| unit.ordinal);
            let missed = recorded.purchase.missed.iter().map(|line| line.ordinal);
            bought.chain(missed).map(|ordinal| (recorded.purchase.code.sale.to_string(), ordinal.get() as i32))
        });
        let (sales, ordinals): (Vec<String>, Vec<i32>) = ids.unzip();
        let rows = sqlx::query!(
            "SELECT DISTINCT items.sale_id, items.ordinal, name, image_url, price, stock, currency
             FROM unnest($1::text[], $2::integer[]) AS wanted (sale_id, ordinal)
             JOIN items ON items.sale_id = wanted.sale_id AND items.ordinal = wanted.ordinal
             JOIN sales ON sales.id = items.sale_id",
            &sales,
            &ordinals,
        );
        let mut items = HashMap::new();
        for row in Statement::ItemsIn.run(rows.fetch_all(&self.pool)).await? {
            let sale = row.sale_id.parse().map_err(StoreError::corrupt)?;
            let ordinal = u32::try_from(row.ordinal).map_err(StoreError::corrupt)?;
            let ordinal = Ordinal::try_from(ordinal).map_err(StoreError::corrupt)?;
            let item = ItemRow { name: row.name, image_url: row.image_url, price: row.price, stock: row.stock };
            items.insert(
                ItemId { sale, ordinal },
                (row.currency.parse().map_err(StoreError::corrupt)?, item.into_item()?),
            );
        }
        Ok(items)
    }
}

fn count(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(StoreError::corrupt)
}
