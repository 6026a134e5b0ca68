//! Lookups of given units, slots, receipts, requests and releases.

use crate::application::shared::StoreError;
use crate::domain::sale::Holdings;
use crate::domain::shared::{CheckoutCode, Ordinal, SaleId};

use super::connection::PgArchive;
use super::statement::Statement;

impl PgArchive {
    pub(super) async fn read_held(&self, sale: SaleId, of: &Holdings) -> Result<Holdings, StoreError> {
        let mut held = Holdings::default();
        if !of.units.is_empty() {
            self.add_units(sale, of, &mut held).await?;
        }
        if !of.slots.is_empty() {
            self.add_slots(sale, of, &mut held).await?;
        }
        if !of.receipts.is_empty() {
            self.add_receipts(sale, of, &mut held).await?;
        }
        if !of.requests.is_empty() {
            self.add_requests(sale, of, &mut held).await?;
        }
        if !of.released.is_empty() {
            self.add_released(sale, of, &mut held).await?;
        }
        Ok(held)
    }

    async fn add_units(&self, sale: SaleId, of: &Holdings, held: &mut Holdings) -> Result<(), StoreError> {
        let units =
            of.units.iter().flat_map(|(item, units)| units.iter().map(|unit| (item.get() as i32, *unit as i32)));
        let (ordinals, units): (Vec<i32>, Vec<i32>) = units.unzip();
        let rows = sqlx::query!(
            r#"SELECT ordinal AS "ordinal!", unit AS "unit!"
               FROM unnest($2::integer[], $3::integer[]) AS wanted (ordinal, unit)
               JOIN purchase_units USING (ordinal, unit)
               WHERE sale = (SELECT key FROM sales WHERE id = $1)"#,
            sale.to_string(),
            &ordinals,
            &units,
        );
        for row in Statement::Held.run(rows.fetch_all(&self.pool)).await? {
            let ordinal = u32::try_from(row.ordinal).map_err(StoreError::corrupt)?;
            let unit = u32::try_from(row.unit).map_err(StoreError::corrupt)?;
            held.units.entry(Ordinal::try_from(ordinal).map_err(StoreError::corrupt)?).or_default().insert(unit);
        }
        Ok(())
    }

    async fn add_slots(&self, sale: SaleId, of: &Holdings, held: &mut Holdings) -> Result<(), StoreError> {
        let slots = of.slots.iter().flat_map(|(user, slots)| slots.iter().map(|slot| (user.to_string(), *slot as i16)));
        let (users, slots): (Vec<String>, Vec<i16>) = slots.unzip();
        let rows = sqlx::query!(
            r#"SELECT user_id AS "user_id!", slot AS "slot!"
               FROM unnest($2::text[], $3::smallint[]) AS wanted (user_id, slot)
               JOIN purchase_units USING (user_id, slot)
               WHERE sale = (SELECT key FROM sales WHERE id = $1)"#,
            sale.to_string(),
            &users,
            &slots,
        );
        for row in Statement::Held.run(rows.fetch_all(&self.pool)).await? {
            let user = row.user_id.parse().map_err(StoreError::corrupt)?;
            held.slots.entry(user).or_default().insert(u32::try_from(row.slot).map_err(StoreError::corrupt)?);
        }
        Ok(())
    }

    async fn add_receipts(&self, sale: SaleId, of: &Holdings, held: &mut Holdings) -> Result<(), StoreError> {
        let codes = of.receipts.keys().filter(|code| code.sale == sale);
        let secrets: Vec<Vec<u8>> = codes.map(|code| code.secret().to_be_bytes().to_vec()).collect();
        let rows = sqlx::query!(
            "SELECT code, ledger_id FROM purchases
             WHERE sale = (SELECT key FROM sales WHERE id = $1) AND code = ANY($2)",
            sale.to_string(),
            &secrets,
        );
        for row in Statement::Held.run(rows.fetch_all(&self.pool)).await? {
            let secret = <[u8; 16]>::try_from(row.code).map_err(StoreError::corrupt)?;
            let code = CheckoutCode::new(sale, u128::from_be_bytes(secret));
            held.receipts.insert(code, row.ledger_id.try_into().map_err(StoreError::corrupt)?);
        }
        Ok(())
    }

    async fn add_requests(&self, sale: SaleId, of: &Holdings, held: &mut Holdings) -> Result<(), StoreError> {
        let requests = of.requests.keys().map(|(user, request)| (user.to_string(), request.to_string()));
        let (users, requests): (Vec<String>, Vec<String>) = requests.unzip();
        let rows = sqlx::query!(
            r#"SELECT user_id AS "user_id!", request_id AS "request_id!", ledger_id
               FROM unnest($2::text[], $3::text[]) AS wanted (user_id, request_id)
               JOIN purchases USING (user_id, request_id)
               WHERE sale = (SELECT key FROM sales WHERE id = $1)"#,
            sale.to_string(),
            &users,
            &requests,
        );
        for row in Statement::Held.run(rows.fetch_all(&self.pool)).await? {
            let user = row.user_id.parse().map_err(StoreError::corrupt)?;
            let request = row.request_id.parse().map_err(StoreError::corrupt)?;
            held.requests.insert((user, request), row.ledger_id.try_into().map_err(StoreError::corrupt)?);
        }
        Ok(())
    }

    async fn add_released(&self, sale: SaleId, of: &Holdings, held: &mut Holdings) -> Result<(), StoreError> {
        let purchases: Vec<i64> = of.released.keys().map(|id| id.to_i64()).collect();
        let rows = sqlx::query!(
            "SELECT DISTINCT ledger_id, release_id FROM released_units
             WHERE sale = (SELECT key FROM sales WHERE id = $1) AND ledger_id = ANY($2)",
            sale.to_string(),
            &purchases,
        );
        for row in Statement::Held.run(rows.fetch_all(&self.pool)).await? {
            let purchase = row.ledger_id.try_into().map_err(StoreError::corrupt)?;
            held.released.insert(purchase, row.release_id.try_into().map_err(StoreError::corrupt)?);
        }
        Ok(())
    }
}
