//! The name of a cart.

use std::fmt;
use std::str::FromStr;

use super::text_form::serde_as_text;
use super::{Invalid, SaleId};

/// Names a cart, and the purchase made of it: `20261120T09-` and 128 random bits as 32 hexadecimal digits.
/// Its owner may buy the cart and read the receipt, so logs get it [`shortened`](CheckoutCode::shortened).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CheckoutCode {
    pub sale: SaleId,
    secret: u128,
}

impl CheckoutCode {
    /// A code of this sale; `secret` must come from a cryptographically secure source.
    pub fn new(sale: SaleId, secret: u128) -> Self {
        CheckoutCode { sale, secret }
    }

    /// Returns the random part.
    pub fn secret(self) -> u128 {
        self.secret
    }

    /// Returns the sale and the first 6 digits: enough to find the code, too little to use it.
    pub fn shortened(self) -> impl fmt::Display {
        fmt::from_fn(move |f| write!(f, "{}-{:06x}", self.sale, self.secret >> 104))
    }
}

impl fmt::Debug for CheckoutCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CheckoutCode({}..)", self.shortened())
    }
}

impl fmt::Display for CheckoutCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:032x}", self.sale, self.secret)
    }
}

impl FromStr for CheckoutCode {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let wrong = || Invalid::new("must be a checkout code as returned by POST /checkout");
        let (sale, digits) = text.rsplit_once('-').ok_or_else(wrong)?;
        let canonical = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if digits.len() != 32 || !digits.bytes().all(canonical) {
            return Err(wrong());
        }
        let secret = u128::from_str_radix(digits, 16).map_err(|_| wrong())?;
        Ok(CheckoutCode { sale: sale.parse().map_err(|_| wrong())?, secret })
    }
}

serde_as_text!(CheckoutCode);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_carries_its_sale() {
        for sale in ["20261120T09", "20261120T0930-7f3a"] {
            let code = CheckoutCode::new(sale.parse().unwrap(), 0xabc);
            assert_eq!(code.to_string(), format!("{sale}-{:032x}", 0xabc));
            assert_eq!(code.to_string().parse::<CheckoutCode>().unwrap(), code);
        }
    }

    #[test]
    fn a_shortened_code_cannot_be_used() {
        let code = CheckoutCode::new("20261120T09".parse().unwrap(), 0x0123_4567_89ab_cdef << 64);
        assert_eq!(code.shortened().to_string(), "20261120T09-012345");
        assert_eq!(format!("{code:?}"), "CheckoutCode(20261120T09-012345..)");
        assert!(code.to_string().starts_with(&code.shortened().to_string()));
    }

    #[test]
    fn any_other_text_is_refused() {
        let good = format!("20261120T09-{:032x}", 1);
        for text in
            ["", "abc", "20261120T09", &good[1..], &good.replace('1', "G"), &format!("{good}0"), &format!("{good} ")]
        {
            assert!(text.parse::<CheckoutCode>().is_err(), "{text:?}");
        }
        assert!(format!("20261120T09-{:032X}", 0xabc).parse::<CheckoutCode>().is_err());
    }
}
