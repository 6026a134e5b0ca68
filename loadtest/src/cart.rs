//! Cart filling: a few items one by one, or many in one request.

use std::collections::VecDeque;

use serde_json::json;

use crate::api::{Cart, Sale};
use crate::client::{Request, Response};
use crate::outcome::{Operation, Outcome, Refusal};
use crate::visit::Shopper;

/// The largest cart whose items are checked out one by one.
const ONE_BY_ONE_MAX: usize = 3;
/// Replacements that a shopper looks for when items are sold.
const REPLACEMENTS_MAX: usize = 2;

impl Shopper {
    /// Checks out the wanted items, or replacements for sold ones. Returns the code of the cart, or `None` if it is
    /// empty.
    pub async fn fill_cart(&mut self, sale: &Sale, wanted: Vec<String>) -> Option<String> {
        match wanted.len() {
            0..=ONE_BY_ONE_MAX => self.check_out_one_by_one(sale, wanted.into()).await,
            _ => self.check_out_together(wanted).await,
        }
    }

    async fn check_out_one_by_one(&mut self, sale: &Sale, mut wanted: VecDeque<String>) -> Option<String> {
        let (mut code, mut replacements) = (None, 0);
        while let Some(item) = wanted.pop_front() {
            let path = format!("/checkout?user_id={}&id={item}", self.user);
            let response = self.send(Operation::Checkout, &Request::post(path)).await;
            match response.outcome {
                Outcome::Done => code = self.parse::<Cart>(&response).map(|cart| cart.code).or(code),
                Outcome::Refused(Refusal::ItemSold) if replacements < REPLACEMENTS_MAX => {
                    replacements += 1;
                    wanted.extend(self.choose_replacement(sale, response).await?);
                }
                Outcome::Refused(Refusal::ItemSold) => self.record_sold(response),
                // The cart is full or the user is at the limit. The shopper goes on with what is in the cart.
                _ => break,
            }
            if !wanted.is_empty() {
                self.think().await?;
            }
        }
        code
    }

    async fn choose_replacement(&mut self, sale: &Sale, refused: Response) -> Option<Vec<String>> {
        self.record_sold(refused);
        self.think().await?;
        self.choose_from_available(sale, 1).await
    }

    async fn check_out_together(&mut self, mut wanted: Vec<String>) -> Option<String> {
        while !wanted.is_empty() {
            let items: Vec<_> = wanted.iter().map(|id| json!({ "id": id, "quantity": 1 })).collect();
            let body = json!({ "user_id": self.user, "items": items }).to_string();
            let response = self.send(Operation::Checkout, &Request::post("/checkout").json(body)).await;
            match response.outcome {
                Outcome::Done => return self.parse::<Cart>(&response).map(|cart| cart.code),
                Outcome::Refused(Refusal::ItemSold) => {
                    let before = wanted.len();
                    wanted.retain(|item| !response.problem.unavailable.contains(item));
                    let shrank = wanted.len() < before;
                    self.record_sold(response);
                    if !shrank {
                        return None;
                    }
                }
                // A returning user may have some of the items in the cart already, or own them.
                Outcome::Refused(Refusal::CartFull | Refusal::UserLimitReached) => {
                    wanted.pop();
                }
                _ => return None,
            }
            self.think().await?;
        }
        None
    }

    fn record_sold(&self, refused: Response) {
        if refused.problem.unavailable.is_empty() {
            self.context.recorder.record_unexpected("item_sold names no item in `unavailable`".to_owned());
        }
        self.context.acknowledgements.borrow_mut().record_refused(refused.problem.unavailable);
    }
}
