//! What has been bought.

use std::collections::HashMap;

use async_trait::async_trait;

use crate::application::ports::{Audit, Decided, PurchaseArchive, StoreError};
use crate::domain::{
    CartLine, CheckoutCode, Currency, Item, ItemId, Ordinal, Receipt, RequestId, SaleId, Sold, SoldUnit, UserId,
};

use super::connection::{PgArchive, corrupt};
use super::sales::ItemRow;
use super::statement::Statement;

/// How many purchases of a user are shown.
const SHOWN_MAX: i64 = 100;

/// A row of the view `purchase_records`, whose columns PostgreSQL does not know to be present.
#[derive(Debug)]
struct PurchaseRecord {
    ledger_id: Option<i64>,
    code: Option<String>,
    user_id: Option<String>,
    request_id: Option<String>,
    missed: Option<sqlx::types::Json<Vec<CartLine>>>,
    ordinals: Option<Vec<i32>>,
    units: Option<Vec<i32>>,
    slots: Option<Vec<i32>>,
}

impl PurchaseRecord {
    fn into_decided(self) -> Result<Decided, StoreError> {
        let unreadable = corrupt(&self);
        self.read().ok_or(unreadable)
    }

    fn read(self) -> Option<Decided> {
        let request: Option<RequestId> = match self.request_id {
            Some(request) => Some(request.parse().ok()?),
            None => None,
        };
        let units = self.ordinals?.into_iter().zip(self.units?).zip(self.slots?);
        let unit = |((ordinal, unit), slot): ((i32, i32), i32)| {
            let ordinal = Ordinal::try_from(ordinal.unsigned_abs()).ok()?;
            Some(SoldUnit { ordinal, unit: unit.unsigned_abs(), slot: slot.unsigned_abs() })
        };
        let sold = Sold {
            code: self.code?.parse().ok()?,
            user: self.user_id?.parse().ok()?,
            request,
            units: units.map(unit).collect::<Option<_>>()?,
            missed: self.missed?.0,
        };
        Some(Decided { id: self.ledger_id?.try_into().ok()?, sold, replayed: true })
    }
}

#[async_trait]
impl PurchaseArchive for PgArchive {
    async fn sold_by_code(&self, code: CheckoutCode) -> Result<Option<Decided>, StoreError> {
        let record = sqlx::query_as!(
            PurchaseRecord,
            r#"SELECT ledger_id, code, user_id, request_id, missed AS "missed: _", ordinals, units, slots
               FROM purchase_records WHERE sale_id = $1 AND code = $2"#,
            code.sale.to_string(),
            code.to_string(),
        );
        Statement::SoldByCode
            .run(record.fetch_optional(&self.pool))
            .await?
            .map(PurchaseRecord::into_decided)
            .transpose()
    }

    async fn sold_by_request(
        &self,
        sale: SaleId,
        user: &UserId,
        request: &RequestId,
    ) -> Result<Option<Decided>, StoreError> {
        let record = sqlx::query_as!(
            PurchaseRecord,
            r#"SELECT ledger_id, code, user_id, request_id, missed AS "missed: _", ordinals, units, slots
               FROM purchase_records WHERE sale_id = $1 AND user_id = $2 AND request_id = $3"#,
            sale.to_string(),
            user.as_str(),
            request.as_str(),
        );
        Statement::SoldByRequest
            .run(record.fetch_optional(&self.pool))
            .await?
            .map(PurchaseRecord::into_decided)
            .transpose()
    }

    async fn receipts_of(&self, user: &UserId, sale: Option<SaleId>) -> Result<Vec<Receipt>, StoreError> {
        let records = sqlx::query_as!(
            PurchaseRecord,
            r#"SELECT ledger_id, code, user_id, request_id, missed AS "missed: _", ordinals, units, slots
               FROM purchase_records WHERE user_id = $1 AND ($2::text IS NULL OR sale_id = $2)
               ORDER BY purchased_at DESC, ledger_id DESC LIMIT $3"#,
            user.as_str(),
            sale.map(|sale| sale.to_string()),
            SHOWN_MAX,
        );
        let records = Statement::ReceiptsOf.run(records.fetch_all(&self.pool)).await?;
        let decided: Vec<Decided> = records.into_iter().map(PurchaseRecord::into_decided).collect::<Result<_, _>>()?;
        let items = self.items_in(&decided).await?;
        let receipt = |decided: &Decided| {
            let sale = decided.sold.code.sale;
            let first = items.get(&ItemId { sale, ordinal: decided.sold.units.first()?.ordinal })?;
            let item = |ordinal| items.get(&ItemId { sale, ordinal }).map(|(_, item)| item);
            Some(Receipt::new(first.0, item, decided.id, &decided.sold))
        };
        decided.iter().map(|decided| receipt(decided).ok_or_else(|| corrupt(decided))).collect()
    }

    async fn sold_in(&self, sale: SaleId) -> Result<Vec<Decided>, StoreError> {
        let records = sqlx::query_as!(
            PurchaseRecord,
            r#"SELECT ledger_id, code, user_id, request_id, missed AS "missed: _", ordinals, units, slots
               FROM purchase_records WHERE sale_id = $1 ORDER BY ledger_id"#,
            sale.to_string(),
        );
        let records = Statement::SoldIn.run(records.fetch_all(&self.bulk)).await?;
        records.into_iter().map(PurchaseRecord::into_decided).collect()
    }

    async fn audit(&self, sale: SaleId) -> Result<Audit, StoreError> {
        let row = sqlx::query_file!("src/infrastructure/postgres/queries/audit.sql", sale.to_string());
        let row = Statement::Audit.run(row.fetch_one(&self.bulk)).await?;
        Ok(Audit {
            sold: row.sold.unsigned_abs(),
            oversold: row.oversold.unsigned_abs(),
            over_limit: row.over_limit.unsigned_abs(),
            wrong_totals: row.wrong_totals.unsigned_abs(),
        })
    }
}

impl PgArchive {
    /// The items that these purchases are of, sold or missed, each with its currency.
    async fn items_in(&self, decided: &[Decided]) -> Result<HashMap<ItemId, (Currency, Item)>, StoreError> {
        let ids = decided.iter().flat_map(|decided| {
            let bought = decided.sold.units.iter().map(|unit| unit.ordinal);
            let missed = decided.sold.missed.iter().map(|line| line.ordinal);
            bought.chain(missed).map(|ordinal| (decided.sold.code.sale.to_string(), ordinal.get() as i32))
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
            let sale = row.sale_id.parse().map_err(corrupt)?;
            let ordinal = Ordinal::try_from(row.ordinal.unsigned_abs()).map_err(corrupt)?;
            let item = ItemRow { name: row.name, image_url: row.image_url, price: row.price, stock: row.stock };
            items.insert(ItemId { sale, ordinal }, (row.currency.parse().map_err(corrupt)?, item.into_item()?));
        }
        Ok(items)
    }
}
