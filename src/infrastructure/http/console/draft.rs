//! A sale that an operator describes in a form.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use crate::application::sale::create_sale::{NewSale, Offer};
use crate::domain::sale::{Catalog, Item, PaymentWindow};
use crate::domain::shared::limits::USER_UNITS_MAX;
use crate::domain::shared::{Currency, Invalid};
use crate::infrastructure::catalog_csv;
use crate::infrastructure::http::platform::query::number;
use crate::infrastructure::http::platform::{ApiRequest, Problem};

/// The fields of the form as they were sent, so that a page can show them again.
#[derive(Debug, Clone)]
pub struct Draft {
    pub csv: String,
    pub currency: String,
    /// The start in UTC; at once if it is empty.
    pub starts_at: String,
    pub minutes: String,
    pub per_user_limit: String,
    /// Minutes in which a purchase must be paid; it need not be if it is empty.
    pub pay_minutes: String,
}

/// A sale as the form describes it.
#[derive(Debug)]
pub struct Plan {
    pub starts_at: Option<DateTime<Utc>>,
    pub ends_at: DateTime<Utc>,
    pub user_limit: Option<u32>,
    pub payment_window: Option<PaymentWindow>,
    pub currency: Currency,
    pub items: Vec<Item>,
}

impl Default for Draft {
    fn default() -> Self {
        Draft {
            csv: String::new(),
            currency: Currency::EUR.to_string(),
            starts_at: String::new(),
            minutes: "60".into(),
            per_user_limit: String::new(),
            pay_minutes: String::new(),
        }
    }
}

impl Draft {
    /// Reads the form, and the name of the button that sent it.
    pub fn read(request: &ApiRequest) -> Result<(Self, String), Problem> {
        let names = ["csv", "currency", "starts_at", "minutes", "per_user_limit", "pay_minutes", "step"];
        let [csv, currency, starts_at, minutes, per_user_limit, pay_minutes, step] =
            request.form(names)?.map(|value| value.unwrap_or_default().trim().to_owned());
        Ok((Draft { csv, currency, starts_at, minutes, per_user_limit, pay_minutes }, step))
    }

    /// Returns the sale, or everything that is wrong with the form.
    pub fn plan(&self, now: DateTime<Utc>) -> Result<Plan, Vec<String>> {
        let mut errors = Vec::new();
        let mut take = |field: &str, error: &dyn std::fmt::Display| errors.push(format!("{field}: {error}."));
        let starts_at = match self.starts_at.as_str() {
            "" => None,
            text => start(text).map_err(|error| take("Start", &error)).ok(),
        };
        let minutes = whole(&self.minutes, 1..=u32::MAX).map_err(|error| take("Minutes", &error)).unwrap_or(1);
        let ends_at = starts_at.unwrap_or(now) + TimeDelta::minutes(minutes.into());
        let user_limit = optional(&self.per_user_limit, |text| whole(text, 1..=USER_UNITS_MAX));
        let user_limit = user_limit.map_err(|error| take("Limit for each shopper", &error)).ok().flatten();
        let window =
            |text: &str| whole(text, 1..=u32::MAX / 60).and_then(|minutes| PaymentWindow::try_from(minutes * 60));
        let payment_window = optional(&self.pay_minutes, window);
        let payment_window = payment_window.map_err(|error| take("Minutes to pay", &error)).ok().flatten();
        let currency: Currency =
            self.currency.parse().map_err(|error: Invalid| take("Currency", &error)).unwrap_or(Currency::EUR);
        let items = match catalog_csv::read(&self.csv, currency) {
            Ok(items) => items,
            Err(error) => {
                take("Items", &error);
                return Err(errors);
            }
        };
        if let Err(error) = Catalog::new(currency, items.clone()) {
            take("Items", &error);
        }
        match errors.is_empty() {
            true => Ok(Plan { starts_at, ends_at, user_limit, payment_window, currency, items }),
            false => Err(errors),
        }
    }
}

impl From<Plan> for NewSale {
    fn from(plan: Plan) -> Self {
        let Plan { starts_at, ends_at, user_limit, payment_window, currency, items } = plan;
        let (offer, waiting_room) = (Offer::Listed(currency, items), false);
        NewSale { starts_at, ends_at: Some(ends_at), offer, user_limit, payment_window, waiting_room }
    }
}

/// Parses a time as browsers send it.
fn start(text: &str) -> Result<DateTime<Utc>, Invalid> {
    let time =
        ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"].iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    time.map(|time| time.and_utc()).ok_or_else(|| Invalid::new("must be a time such as 2026-11-20T09:00, in UTC"))
}

fn whole(text: &str, range: std::ops::RangeInclusive<u32>) -> Result<u32, Invalid> {
    let message = || match *range.end() {
        u32::MAX.. => Invalid::new("must be a whole number greater than zero"),
        most => Invalid::new(format!("must be a whole number from 1 to {most}")),
    };
    number(text).filter(|number| range.contains(number)).ok_or_else(message)
}

fn optional<T>(text: &str, read: impl FnOnce(&str) -> Result<T, Invalid>) -> Result<Option<T>, Invalid> {
    if text.is_empty() { Ok(None) } else { read(text).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-20T09:00:00Z".parse().unwrap()
    }

    fn draft() -> Draft {
        Draft { csv: "name,image_url,price,stock\nLamp,/1.jpg,9.90,3".into(), ..Draft::default() }
    }

    #[test]
    fn a_form_describes_a_sale() {
        let plan = draft().plan(now()).unwrap();
        assert_eq!((plan.starts_at, plan.ends_at, plan.user_limit), (None, now() + TimeDelta::hours(1), None));
        assert_eq!((plan.items[0].stock(), plan.payment_window), (3, None));
        let later = Draft {
            starts_at: "2026-11-21T10:30".into(),
            minutes: "90".into(),
            per_user_limit: "2".into(),
            pay_minutes: "15".into(),
            ..draft()
        };
        let plan = later.plan(now()).unwrap();
        assert_eq!(plan.starts_at.unwrap().to_rfc3339(), "2026-11-21T10:30:00+00:00");
        assert_eq!(plan.ends_at.to_rfc3339(), "2026-11-21T12:00:00+00:00");
        assert_eq!((plan.user_limit, plan.payment_window.map(PaymentWindow::seconds)), (Some(2), Some(900)));
    }

    #[test]
    fn everything_that_is_wrong_is_named() {
        let wrong = Draft {
            csv: "name,image_url,price\nLamp,/1.jpg,cheap".into(),
            currency: "euro".into(),
            starts_at: "tomorrow".into(),
            minutes: "0".into(),
            per_user_limit: "101".into(),
            pay_minutes: "1441".into(),
        };
        let errors = wrong.plan(now()).unwrap_err();
        for field in ["Start", "Minutes", "Limit for each shopper", "Minutes to pay", "Currency", "Items: line 2"] {
            assert!(errors.iter().any(|error| error.starts_with(field)), "{field}: {errors:?}");
        }
        assert_eq!(errors.len(), 6);
        for csv in ["", "name,image_url,price"] {
            assert!(Draft { csv: csv.into(), ..draft() }.plan(now()).unwrap_err()[0].starts_with("Items"));
        }
    }
}
