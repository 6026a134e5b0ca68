//! Purchases.

use std::collections::HashMap;

use async_trait::async_trait;
use chrono::DateTime;
use sqlx::types::Json;

use crate::application::sale::ports::{ArchiveFindings, MinuteSold, PurchaseArchive, PurchasePage, RecordedPurchase};
use crate::application::shared::StoreError;
use crate::domain::sale::{
    CartLine, Holdings, Item, LedgerEntry, LedgerEvent, Purchase, Receipt, Release, SoldUnit, Terms,
};
use crate::domain::shared::limits::CART_UNITS;
use crate::domain::shared::{CheckoutCode, ItemId, LedgerId, Ordinal, RequestId, SaleId, UserId};

use super::connection::PgArchive;
use super::sales::{ItemRow, payment_window};
use super::statement::Statement;

/// A row of the view `recorded_purchases`. PostgreSQL does not know that most of its columns are never null.
#[derive(Debug)]
struct PurchaseRow {
    ledger_id: Option<i64>,
    code: Option<Vec<u8>>,
    user_id: Option<String>,
    request_id: Option<String>,
    missed: Option<Json<Vec<CartLine>>>,
    unit_count: Option<i16>,
    units: Option<Json<Vec<SoldUnit>>>,
}

impl PurchaseRow {
    fn into_recorded(self, sale: SaleId) -> Result<RecordedPurchase, StoreError> {
        let unreadable = StoreError::corrupt(&self);
        self.read(sale).ok_or(unreadable)
    }

    fn read(self, sale: SaleId) -> Option<RecordedPurchase> {
        let request: Option<RequestId> = match self.request_id {
            Some(request) => Some(request.parse().ok()?),
            None => None,
        };
        let secret: [u8; 16] = self.code?.try_into().ok()?;
        let unit_count = usize::try_from(self.unit_count?).ok()?;
        let is_complete =
            |units: &Vec<SoldUnit>| units.len() == unit_count && (1..=CART_UNITS as usize).contains(&unit_count);
        let purchase = Purchase {
            code: CheckoutCode::new(sale, u128::from_be_bytes(secret)),
            user: self.user_id?.parse().ok()?,
            request,
            units: Some(self.units?.0).filter(is_complete)?,
            missed: self.missed.map(|missed| missed.0).unwrap_or_default(),
        };
        Some(RecordedPurchase { id: self.ledger_id?.try_into().ok()?, purchase, replayed: true })
    }
}

#[async_trait]
impl PurchaseArchive for PgArchive {
    async fn purchase_by_code(&self, code: CheckoutCode) -> Result<Option<RecordedPurchase>, StoreError> {
        let record = sqlx::query_as!(
            PurchaseRow,
            r#"SELECT ledger_id, code, user_id, request_id, missed AS "missed: _", unit_count, units AS "units: _"
               FROM recorded_purchases WHERE sale = (SELECT key FROM sales WHERE id = $1) AND code = $2"#,
            code.sale.to_string(),
            &code.secret().to_be_bytes(),
        );
        Statement::PurchaseByCode
            .run(record.fetch_optional(&self.pool))
            .await?
            .map(|row| row.into_recorded(code.sale))
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
            r#"SELECT ledger_id, code, user_id, request_id, missed AS "missed: _", unit_count, units AS "units: _"
               FROM recorded_purchases
               WHERE sale = (SELECT key FROM sales WHERE id = $1) AND user_id = $2 AND request_id = $3"#,
            sale.to_string(),
            user.as_str(),
            request.as_str(),
        );
        Statement::PurchaseByRequest
            .run(record.fetch_optional(&self.pool))
            .await?
            .map(|row| row.into_recorded(sale))
            .transpose()
    }

    async fn purchases(&self, sale: SaleId, ids: &[LedgerId]) -> Result<Vec<RecordedPurchase>, StoreError> {
        let ids: Vec<i64> = ids.iter().map(|id| id.to_i64()).collect();
        let records = sqlx::query_as!(
            PurchaseRow,
            r#"SELECT ledger_id, code, user_id, request_id, missed AS "missed: _", unit_count, units AS "units: _"
               FROM recorded_purchases
               WHERE sale = (SELECT key FROM sales WHERE id = $1) AND ledger_id = ANY($2)"#,
            sale.to_string(),
            &ids,
        );
        let records = Statement::Purchases.run(records.fetch_all(&self.pool)).await?;
        records.into_iter().map(|row| row.into_recorded(sale)).collect()
    }

    async fn receipts_of(&self, user: &UserId, page: PurchasePage) -> Result<Vec<Receipt>, StoreError> {
        let rows = sqlx::query_file!(
            "src/infrastructure/postgres/queries/receipts_of.sql",
            user.as_str(),
            page.sale.map(|sale| sale.to_string()),
            page.after.map(|after| after.entry.to_i64()),
            page.after.map(|after| after.sale.to_string()),
            page.limit as i64,
            page.only_orders,
        );
        let mut recorded = Vec::new();
        for row in Statement::ReceiptsOf.run(rows.fetch_all(&self.pool)).await? {
            let sale = row.sale_id.parse().map_err(StoreError::corrupt)?;
            let (ledger_id, code, user_id, request_id) = (row.ledger_id, row.code, row.user_id, row.request_id);
            let (missed, unit_count, units) = (row.missed, row.unit_count, row.units);
            let row = PurchaseRow { ledger_id, code, user_id, request_id, missed, unit_count, units };
            recorded.push(row.into_recorded(sale)?);
        }
        let items = self.items_in(&recorded).await?;
        let receipt = |recorded: &RecordedPurchase| {
            let sale = recorded.purchase.code.sale;
            let first = items.get(&ItemId { sale, ordinal: recorded.purchase.units.first()?.ordinal })?;
            let item = |ordinal| items.get(&ItemId { sale, ordinal }).map(|(_, item)| item);
            Receipt::new(first.0, item, recorded.id, &recorded.purchase).ok()
        };
        recorded.iter().map(|recorded| receipt(recorded).ok_or_else(|| StoreError::corrupt(recorded))).collect()
    }

    async fn entries_in(&self, sale: SaleId, after: LedgerId, max: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        // In this order: the purchase of each release is archived by then.
        let releases = self.releases_in(sale, after, max).await?;
        let purchases = self.purchases_in(sale, after, max).await?;
        let sold =
            |recorded: RecordedPurchase| LedgerEntry { id: recorded.id, event: LedgerEvent::Sold(recorded.purchase) };
        let mut entries: Vec<_> = purchases.into_iter().map(sold).chain(releases).collect();
        entries.sort_by_key(|entry| entry.id);
        entries.truncate(max);
        Ok(entries)
    }

    async fn sold_by_minute(&self, sale: SaleId) -> Result<Vec<MinuteSold>, StoreError> {
        let rows = sqlx::query_file!("src/infrastructure/postgres/queries/sold_by_minute.sql", sale.to_string());
        let rows = Statement::SoldByMinute.run(rows.fetch_all(&self.pool)).await?;
        let minute = |minute: i64| DateTime::from_timestamp(minute * 60, 0);
        rows.into_iter()
            .map(|row| {
                let begins_at = minute(row.minute).ok_or_else(|| StoreError::corrupt(row.minute))?;
                Ok(MinuteSold { begins_at, units: row.units })
            })
            .collect()
    }

    async fn held(&self, sale: SaleId, of: &Holdings) -> Result<Holdings, StoreError> {
        self.read_held(sale, of).await
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
    /// Reads the first `max` purchases of a sale after `after`.
    async fn purchases_in(
        &self,
        sale: SaleId,
        after: LedgerId,
        max: usize,
    ) -> Result<Vec<RecordedPurchase>, StoreError> {
        let records = sqlx::query_as!(
            PurchaseRow,
            r#"SELECT ledger_id, code, user_id, request_id, missed AS "missed: _", unit_count, units AS "units: _"
               FROM recorded_purchases
               WHERE sale = (SELECT key FROM sales WHERE id = $1) AND ledger_id > $2 ORDER BY ledger_id LIMIT $3"#,
            sale.to_string(),
            after.to_i64(),
            max as i64,
        );
        let records = Statement::EntriesIn.run(records.fetch_all(&self.bulk)).await?;
        records.into_iter().map(|row| row.into_recorded(sale)).collect()
    }

    /// Reads the first `max` releases of a sale after `after`.
    async fn releases_in(&self, sale: SaleId, after: LedgerId, max: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT release_id, ledger_id, reason,
                      json_agg(json_build_object('ordinal', ordinal, 'unit', unit, 'slot', slot) ORDER BY slot)
                          AS "units!: Json<Vec<SoldUnit>>"
               FROM released_units
               WHERE sale = (SELECT key FROM sales WHERE id = $1) AND release_id > $2
               GROUP BY release_id, ledger_id, reason ORDER BY release_id LIMIT $3"#,
            sale.to_string(),
            after.to_i64(),
            max as i64,
        );
        let rows = Statement::EntriesIn.run(rows.fetch_all(&self.bulk)).await?;
        let entry = |id: i64, purchase: i64, reason: &str, units: Vec<SoldUnit>| {
            let purchase = purchase.try_into().map_err(StoreError::corrupt)?;
            let reason = reason.parse().map_err(|_| StoreError::corrupt(reason))?;
            let slots = units.iter().map(|unit| unit.slot).collect();
            let event = LedgerEvent::Released(Release { purchase, units, slots, reason });
            Ok(LedgerEntry { id: id.try_into().map_err(StoreError::corrupt)?, event })
        };
        rows.into_iter().map(|row| entry(row.release_id, row.ledger_id, &row.reason, row.units.0)).collect()
    }

    /// Reads the items of these purchases, sold or missed, each with the terms of its sale.
    async fn items_in(&self, recorded: &[RecordedPurchase]) -> Result<HashMap<ItemId, (Terms, Item)>, StoreError> {
        let ids = recorded.iter().flat_map(|recorded| {
            let bought = recorded.purchase.units.iter().map(|unit| unit.ordinal);
            let missed = recorded.purchase.missed.iter().map(|line| line.ordinal);
            bought.chain(missed).map(|ordinal| (recorded.purchase.code.sale.to_string(), ordinal.get() as i32))
        });
        let (sales, ordinals): (Vec<String>, Vec<i32>) = ids.unzip();
        let rows = sqlx::query!(
            "SELECT DISTINCT sales.id AS sale_id, items.ordinal, name, image_url, price, stock, currency,
                    payment_window
             FROM unnest($1::text[], $2::integer[]) AS wanted (sale_id, ordinal)
             JOIN sales ON sales.id = wanted.sale_id
             JOIN items ON items.sale = sales.key AND items.ordinal = wanted.ordinal",
            &sales,
            &ordinals,
        );
        let mut items = HashMap::new();
        for row in Statement::ItemsIn.run(rows.fetch_all(&self.pool)).await? {
            let sale = row.sale_id.parse().map_err(StoreError::corrupt)?;
            let ordinal = u32::try_from(row.ordinal).map_err(StoreError::corrupt)?;
            let ordinal = Ordinal::try_from(ordinal).map_err(StoreError::corrupt)?;
            let item = ItemRow { name: row.name, image_url: row.image_url, price: row.price, stock: row.stock };
            let currency = row.currency.parse().map_err(StoreError::corrupt)?;
            let terms = Terms { currency, payment_window: row.payment_window.map(payment_window).transpose()? };
            items.insert(ItemId { sale, ordinal }, (terms, item.into_item()?));
        }
        Ok(items)
    }
}

fn count(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(StoreError::corrupt)
}
