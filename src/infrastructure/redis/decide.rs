//! The decisions: one typed function for each script.
//!
//! The crowd's scripts decide in groups: see [`groups`](super::groups).

use async_trait::async_trait;

use crate::application::sale::ports::{DecideError, Decider, Found, RecordedPurchase, Released};
use crate::application::shared::StoreError;
use crate::domain::sale::{
    BuyNowRefusal, Cart, CartLine, Catalog, CheckoutRefusal, Item, PurchaseRefusal, Release, ReleaseRefusal,
    RemoveRefusal,
};
use crate::domain::shared::{CheckoutCode, Claim, Epoch, Ordinal, RequestId, SaleId, UserId};

use super::connection::RedisStore;
use super::groups::Call;
use super::reply::Reply;
use super::scripts::ScriptName;
use super::text::{parse_lines, parse_ordinals, print_stocked_lines, release_words};

#[async_trait]
impl Decider for RedisStore {
    async fn checkout(
        &self,
        epoch: Epoch,
        catalog: &Catalog,
        user: &UserId,
        new_code: CheckoutCode,
        wanted: &[CartLine],
    ) -> Result<Cart, DecideError<CheckoutRefusal>> {
        let args = vec![user.to_string(), new_code.to_string(), print_stocked_lines(catalog, wanted)];
        let reply = self.decide(Call { epoch, sale: new_code.sale, script: ScriptName::Checkout }, args).await?;
        let refusal = match reply.tag() {
            "CART" => return Ok(reply.cart()?),
            "NOT_STARTED" => CheckoutRefusal::SaleNotStarted,
            "ENDED" => CheckoutRefusal::SaleEnded,
            "ITEM_NOT_FOUND" => {
                let unknown = reply.parsed(0, |text| parse_ordinals(text)?.first().copied())?;
                CheckoutRefusal::ItemNotFound(unknown)
            }
            "ITEM_SOLD" => CheckoutRefusal::ItemSold(reply.parsed(0, parse_ordinals)?),
            "CART_FULL" => CheckoutRefusal::CartFull,
            "USER_LIMIT" => CheckoutRefusal::UserLimitReached,
            _ => return Err(reply.corrupt().into()),
        };
        Err(DecideError::Refused(refusal))
    }

    async fn remove(
        &self,
        epoch: Epoch,
        code: CheckoutCode,
        ordinal: Ordinal,
    ) -> Result<Cart, DecideError<RemoveRefusal>> {
        let call = Call { epoch, sale: code.sale, script: ScriptName::Remove };
        let args = [code.to_string(), ordinal.to_string()];
        let reply = self.run_alone(call, &args.each_ref().map(String::as_str)).await?;
        let refusal = match reply.tag() {
            "CART" => return Ok(reply.cart()?),
            "NOT_FOUND" => RemoveRefusal::CheckoutNotFound,
            "NOT_IN_CART" => RemoveRefusal::ItemNotInCart,
            "ENDED" => RemoveRefusal::Ended,
            _ => return Err(reply.corrupt().into()),
        };
        Err(DecideError::Refused(refusal))
    }

    async fn purchase(
        &self,
        epoch: Epoch,
        claim: &Claim,
        partial: bool,
    ) -> Result<RecordedPurchase, DecideError<PurchaseRefusal>> {
        let user = claim.user.as_ref().map(UserId::to_string).unwrap_or_default();
        let args = vec![claim.code.to_string(), u8::from(partial).to_string(), user];
        let reply = self.decide(Call { epoch, sale: claim.code.sale, script: ScriptName::Purchase }, args).await?;
        let ordinals = |text: &str| Some(parse_lines(text)?.iter().map(|line| line.ordinal).collect());
        let refusal = match reply.tag() {
            "SOLD" => {
                let recorded = reply.purchase()?;
                if claim.is_of(&recorded.purchase.user) {
                    return Ok(recorded);
                }
                PurchaseRefusal::CheckoutNotFound
            }
            "NOT_FOUND" => PurchaseRefusal::CheckoutNotFound,
            "CART_EMPTY" => PurchaseRefusal::CartEmpty,
            "NOT_STARTED" => PurchaseRefusal::NotStarted,
            "ENDED" => PurchaseRefusal::Ended,
            "USER_LIMIT" => PurchaseRefusal::UserLimitReached,
            "ITEMS_SOLD" => PurchaseRefusal::ItemsSold {
                unavailable: reply.parsed(0, ordinals)?,
                available: reply.parsed(1, ordinals)?,
            },
            _ => return Err(reply.corrupt().into()),
        };
        Err(DecideError::Refused(refusal))
    }

    async fn buy_now(
        &self,
        epoch: Epoch,
        catalog: &Catalog,
        (user, request): (&UserId, &RequestId),
        new_code: CheckoutCode,
        wanted: CartLine,
    ) -> Result<RecordedPurchase, DecideError<BuyNowRefusal>> {
        let stock = catalog.item(wanted.ordinal).map_or(0, Item::stock);
        let [ordinal, quantity, stock] = [wanted.ordinal.get(), wanted.quantity.get(), stock].map(|n| n.to_string());
        let args = vec![user.to_string(), request.to_string(), new_code.to_string(), ordinal, quantity, stock];
        let reply = self.decide(Call { epoch, sale: new_code.sale, script: ScriptName::BuyNow }, args).await?;
        let refusal = match reply.tag() {
            "SOLD" => return Ok(reply.purchase()?),
            "MISMATCH" => BuyNowRefusal::RequestMismatch,
            "NOT_STARTED" => BuyNowRefusal::NotStarted,
            "ENDED" => BuyNowRefusal::Ended,
            "ITEM_NOT_FOUND" => BuyNowRefusal::ItemNotFound,
            "SOLD_OUT" => BuyNowRefusal::SoldOut,
            "USER_LIMIT" => BuyNowRefusal::UserLimitReached,
            _ => return Err(reply.corrupt().into()),
        };
        Err(DecideError::Refused(refusal))
    }

    async fn find(&self, epoch: Epoch, code: CheckoutCode) -> Result<Option<Found>, StoreError> {
        let call = Call { epoch, sale: code.sale, script: ScriptName::Find };
        let reply = self.run_alone(call, &[&code.to_string()]).await?;
        match reply.tag() {
            "SOLD" => Ok(Some(Found::Purchase(reply.purchase()?))),
            "CART" => Ok(Some(Found::Cart(reply.cart()?))),
            "NOT_FOUND" => Ok(None),
            _ => Err(reply.corrupt()),
        }
    }

    async fn find_request(
        &self,
        epoch: Epoch,
        sale: SaleId,
        user: &UserId,
        request: &RequestId,
    ) -> Result<Option<RecordedPurchase>, StoreError> {
        let call = Call { epoch, sale, script: ScriptName::Find };
        let reply = self.run_alone(call, &[&format!("{user} {request}")]).await?;
        match reply.tag() {
            "SOLD" => Ok(Some(reply.purchase()?)),
            "NOT_FOUND" => Ok(None),
            _ => Err(reply.corrupt()),
        }
    }

    async fn release_all(&self, epoch: Epoch, sale: SaleId, releases: &[Release]) -> Result<Vec<Released>, StoreError> {
        let words: Vec<[String; 4]> = releases.iter().map(release_words).collect();
        let call = Call { epoch, sale, script: ScriptName::Release };
        let text = self.eval(&self.control, call, words.iter().flatten().map(String::as_str)).await?;
        let replies = Reply::lines(&text, releases.len())?;
        if replies.len() < releases.len() {
            return Err(StoreError::corrupt(text));
        }
        replies.into_iter().map(|reply| released(&reply?)).collect()
    }
}

fn released(reply: &Reply) -> Result<Released, StoreError> {
    let id = || reply.parsed(0, |id| id.parse().ok());
    Ok(match reply.tag() {
        "RELEASED" => Ok(id()?),
        "RELEASED_BEFORE" => Err(ReleaseRefusal::ReleasedBefore(id()?)),
        "SALE_CLOSED" => Err(ReleaseRefusal::SaleClosed),
        "NOT_BOUGHT" => Err(ReleaseRefusal::NotBought),
        _ => return Err(reply.corrupt()),
    })
}
