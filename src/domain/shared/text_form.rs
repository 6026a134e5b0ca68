//! Values whose text is their form in JSON.

/// Implements serde for a type whose `Display` writes the text that its `FromStr` reads.
macro_rules! serde_as_text {
    ($name:ident) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(super) use serde_as_text;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::domain::shared::{CheckoutCode, Currency, ItemId, LedgerId, OrderId, RequestId, SaleId, UserId};

    #[test]
    fn every_id_is_its_text_in_json() {
        fn check<T: serde::Serialize + serde::de::DeserializeOwned>(text: &str) {
            let value: T = serde_json::from_value(json!(text)).unwrap();
            assert_eq!(serde_json::to_value(value).unwrap(), json!(text));
            let refused = serde_json::from_value::<T>(json!("no such thing")).err().unwrap();
            assert!(refused.to_string().starts_with("must be "), "{refused}");
            assert!(serde_json::from_value::<T>(json!(1)).is_err());
        }
        check::<SaleId>("20261120T09");
        check::<ItemId>("20261120T09-00042");
        check::<CheckoutCode>(&format!("20261120T09-{:032x}", 7));
        check::<OrderId>("20261120T09-1763632800000-0");
        check::<LedgerId>("1763632800000-0");
        check::<UserId>("ann");
        check::<RequestId>("r-1");
        check::<Currency>("EUR");
    }
}
