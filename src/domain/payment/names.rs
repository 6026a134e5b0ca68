//! Names that the provider gives.

use std::fmt;
use std::str::FromStr;

use crate::domain::shared::Invalid;
use crate::domain::shared::limits::ID_CHARS_MAX;

fn checked(text: &str) -> Result<String, Invalid> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte));
    if text.is_empty() || text.len() > ID_CHARS_MAX || !is_plain {
        return Err(Invalid::new(format!("must have 1 to {ID_CHARS_MAX} letters, digits or any of _-.:")));
    }
    Ok(text.to_owned())
}

/// Defines a name of the provider.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                checked(text).map($name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// The name of an intent at the provider.
    IntentId
}

name! {
    /// The name of an event at the provider. An event may be told several times.
    EventId
}

name! {
    /// A means of payment, as the provider names it for its owner.
    PaymentMethod
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_plain() {
        assert!("pm_ok".parse::<PaymentMethod>().is_ok());
        for text in ["", "a b", "a/b", "ä", &"x".repeat(ID_CHARS_MAX + 1)] {
            assert!(text.parse::<PaymentMethod>().is_err(), "{text:?}");
        }
    }
}
