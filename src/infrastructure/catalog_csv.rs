//! Catalogs as CSV, with the columns name,image_url,price and, optionally, stock. The first line names them.

use serde::Deserialize;

use crate::domain::sale::Item;
use crate::domain::shared::{Currency, Money};

/// A line of a catalog.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    image_url: String,
    price: String,
    stock: Option<u32>,
}

/// A catalog that cannot be sold.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    #[error(transparent)]
    Unreadable(#[from] csv::Error),
    #[error("line {line}: {message}")]
    Invalid { line: u64, message: String },
}

/// Reads items with prices in this currency.
pub fn read(text: &str, currency: Currency) -> Result<Vec<Item>, CatalogError> {
    // With both characters at its end, a line would have the number of the one before it in an error.
    let text = text.replace("\r\n", "\n");
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let headers = reader.headers()?.clone();
    let mut items = Vec::new();
    for record in reader.into_records() {
        let record = record?;
        let line = record.position().map_or(0, csv::Position::line);
        let invalid = |message: String| CatalogError::Invalid { line, message };
        let Row { name, image_url, price, stock } = record.deserialize(Some(&headers))?;
        let price = price.parse().and_then(|price: Money| currency.check(price).map(|()| price));
        let price = price.map_err(|error| invalid(format!("price {error}")))?;
        let item = Item::new(name, image_url, price, stock.unwrap_or(1));
        items.push(item.map_err(|error| invalid(error.to_string()))?);
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        read(text, Currency::EUR).unwrap_err().to_string()
    }

    #[test]
    fn columns_come_in_any_order_and_stock_is_one() {
        let items = read("price,name,image_url\n 9.90 ,\"Lamp, red\",/1.jpg\n", Currency::EUR).unwrap();
        assert_eq!(
            (items[0].name(), items[0].price().to_string().as_str(), items[0].stock()),
            ("Lamp, red", "9.90", 1)
        );
        let items = read("name,image_url,price,stock\nLamp,/1.jpg,1,7\n", Currency::EUR).unwrap();
        assert_eq!(items[0].stock(), 7);
    }

    #[test]
    fn the_line_of_an_error_is_named() {
        const HEAD: &str = "name,image_url,price\nLamp,/1.jpg,1\n";
        assert!(message(&format!("{HEAD}Lamp,/1.jpg,cheap\n")).starts_with("line 3: price "));
        assert!(message(&format!("{HEAD}Lamp,/1.jpg,cheap\n").replace('\n', "\r\n")).starts_with("line 3: price "));
        assert!(message(&format!("{HEAD}\"two\nlines\",/1.jpg,1\n,/1.jpg,1\n")).starts_with("line "));
        assert!(message(&format!("{HEAD}Lamp,/1.jpg\n")).contains("line: 3"));
        assert!(message("title,image_url,price\nLamp,/1.jpg,1\n").contains("title"));
    }
}
