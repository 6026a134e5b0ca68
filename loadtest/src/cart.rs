//! Filling a cart: a few items one by one, or many together.

use std::collections::VecDeque;

use serde_json::json;

use crate::api::{Cart, Sale};
use crate::client::{Answer, Ask};
use crate::outcome::{Operation, Outcome, Refusal};
use crate::visit::Shopper;

/// More items than this are checked out together.
const ONE_BY_ONE_MAX: usize = 3;
/// How often a shopper looks for something else instead of what is sold.
const SECOND_CHOICES: usize = 2;

impl Shopper {
    /// Checks out what is wanted, or other things where it is sold. Returns the code; `None` for an empty cart.
    pub async fn fill_cart(&mut self, sale: &Sale, wanted: Vec<String>) -> Option<String> {
        match wanted.len() {
            0..=ONE_BY_ONE_MAX => self.check_out_one_by_one(sale, wanted.into()).await,
            _ => self.check_out_together(wanted).await,
        }
    }

    async fn check_out_one_by_one(&mut self, sale: &Sale, mut wanted: VecDeque<String>) -> Option<String> {
        let (mut code, mut second_choices) = (None, 0);
        while let Some(item) = wanted.pop_front() {
            let path = format!("/checkout?user_id={}&id={item}", self.user);
            let answer = self.ask(Operation::Checkout, &Ask::post(path)).await;
            match answer.outcome {
                Outcome::Done => code = self.read::<Cart>(&answer).map(|cart| cart.code).or(code),
                Outcome::Refused(Refusal::ItemSold) if second_choices < SECOND_CHOICES => {
                    second_choices += 1;
                    wanted.extend(self.second_choice(sale, answer).await?);
                }
                Outcome::Refused(Refusal::ItemSold) => self.note_sold(answer),
                // The cart is full, or holds all that one may own: that will do.
                _ => break,
            }
            if !wanted.is_empty() {
                self.think().await?;
            }
        }
        code
    }

    async fn second_choice(&mut self, sale: &Sale, refused: Answer) -> Option<Vec<String>> {
        self.note_sold(refused);
        self.think().await?;
        self.choose_from_what_is_left(sale, 1).await
    }

    async fn check_out_together(&mut self, mut wanted: Vec<String>) -> Option<String> {
        while !wanted.is_empty() {
            let items: Vec<_> = wanted.iter().map(|id| json!({ "id": id, "quantity": 1 })).collect();
            let body = json!({ "user_id": self.user, "items": items }).to_string();
            let answer = self.ask(Operation::Checkout, &Ask::post("/checkout").json(body)).await;
            match answer.outcome {
                Outcome::Done => return self.read::<Cart>(&answer).map(|cart| cart.code),
                Outcome::Refused(Refusal::ItemSold) if !answer.problem.unavailable.is_empty() => {
                    wanted.retain(|item| !answer.problem.unavailable.contains(item));
                    self.note_sold(answer);
                }
                // Somebody who is here again may have a part of it in the cart, or own it.
                Outcome::Refused(Refusal::CartFull | Refusal::UserLimitReached) => {
                    wanted.pop();
                }
                _ => return None,
            }
            self.think().await?;
        }
        None
    }

    fn note_sold(&self, refused: Answer) {
        self.world.told.borrow_mut().refuse(refused.problem.unavailable);
    }
}
