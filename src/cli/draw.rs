//! `flashsale draw`

use std::process::ExitCode;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use clap::{Args, Subcommand};
use http_body_util::{BodyExt, Empty};
use hyper::Uri;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;

use crate::domain::admission::{Draw, Secret};
use crate::domain::shared::SaleId;

use super::Failure;

/// Longest wait for the answer of the service.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub struct DrawCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Recompute the places of a waiting room from what is public; exits 1 if something is wrong
    Verify(Verify),
}

#[derive(Debug, Args)]
struct Verify {
    /// Id of the sale [default: the current hourly sale]
    sale: Option<SaleId>,
    /// The service
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// The commitment that was shown before the start, such as that of the answer with a ticket
    #[arg(long)]
    commitment: Option<String>,
    /// Show the place of this ticket
    #[arg(long)]
    ticket: Option<String>,
    /// Show the place of this join number
    #[arg(long, conflicts_with = "ticket")]
    join_number: Option<u64>,
}

/// The parts of `GET /queue` that the draw follows from.
#[derive(Debug, Deserialize)]
struct Room {
    sale_id: SaleId,
    commitment: String,
    secret: Option<Secret>,
    entrants: Option<u64>,
}

/// The payload of a ticket. Its signature does not matter here.
#[derive(Deserialize)]
struct TicketPayload {
    sale: SaleId,
    join_number: u64,
}

impl DrawCommand {
    pub async fn run(self) -> Result<ExitCode, Failure> {
        let Action::Verify(verify) = self.action;
        let room = verify.fetch().await?;
        let draw = verified(&room, verify.commitment.as_deref())?;
        println!("sale {}: the secret is that of the commitment {}", room.sale_id, room.commitment);
        println!("the {} places are a permutation of the join numbers", draw.entrants());
        if let Some(number) = verify.number(room.sale_id)? {
            println!("join number {number} has place {}", draw.place(number));
        }
        if verify.commitment.is_none() {
            println!("compare the commitment with the one from before the start, or pass that as --commitment");
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Verify {
    async fn fetch(&self) -> Result<Room, Failure> {
        let query = self.sale.map(|sale| format!("?sale_id={sale}")).unwrap_or_default();
        let uri: Uri = format!("{}/queue{query}", self.url.trim_end_matches('/')).parse()?;
        let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let answer = async {
            let answer = client.get(uri.clone()).await?;
            let status = answer.status();
            Ok::<_, Failure>((status, answer.into_body().collect().await?.to_bytes()))
        };
        let (status, body) =
            tokio::time::timeout(PATIENCE, answer).await.map_err(|_| format!("no answer from {uri} in time"))??;
        if !status.is_success() {
            return Err(format!("{uri} answered {status}: {}", String::from_utf8_lossy(&body)).into());
        }
        Ok(serde_json::from_slice(&body)?)
    }

    /// Returns the join number whose place is wanted.
    fn number(&self, sale: SaleId) -> Result<Option<u64>, Failure> {
        let Some(ticket) = &self.ticket else { return Ok(self.join_number) };
        let payload = ticket.split('.').nth(1).and_then(|part| BASE64_URL_SAFE_NO_PAD.decode(part).ok());
        let payload = payload.and_then(|json| serde_json::from_slice::<TicketPayload>(&json).ok());
        let ticket = payload.ok_or("the ticket is unreadable: pass the text that POST /queue returned")?;
        if ticket.sale != sale {
            return Err(format!("the ticket is for the sale {}: name that sale", ticket.sale).into());
        }
        Ok(Some(ticket.join_number))
    }
}

/// Returns the draw of a room, if everything about it is right.
fn verified(room: &Room, commitment: Option<&str>) -> Result<Draw, String> {
    let (Some(secret), Some(entrants)) = (room.secret, room.entrants) else {
        return Err(format!("the places of sale {} are not drawn yet: wait for its start", room.sale_id));
    };
    if secret.commitment() != room.commitment {
        return Err("the secret is not the one of the commitment".to_owned());
    }
    if commitment.is_some_and(|before| !before.eq_ignore_ascii_case(&room.commitment)) {
        return Err("the commitment is not the one from before the start".to_owned());
    }
    let draw = Draw::new(&secret, room.sale_id, entrants);
    let mut is_taken = vec![false; entrants as usize];
    for number in 1..=entrants {
        let place = draw.place(number);
        let taken = place.checked_sub(1).and_then(|at| is_taken.get_mut(at as usize));
        match taken {
            Some(taken) if !*taken => *taken = true,
            _ => return Err(format!("place {place} is not the place of one join number")),
        }
    }
    Ok(draw)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room() -> Room {
        let secret = Secret::new([7; 32]);
        let sale_id = "20261120T09".parse().unwrap();
        Room { sale_id, commitment: secret.commitment(), secret: Some(secret), entrants: Some(1_000) }
    }

    #[test]
    fn another_secret_than_the_one_that_was_committed_is_found() {
        let right = room().commitment;
        assert_eq!(verified(&room(), None).unwrap().entrants(), 1_000);
        assert!(verified(&room(), Some(&right)).is_ok());
        let other = Secret::new([8; 32]);
        let replaced = Room { secret: Some(other), ..room() };
        assert!(verified(&replaced, None).unwrap_err().contains("secret"));
        let both_replaced = Room { commitment: other.commitment(), ..replaced };
        assert!(verified(&both_replaced, None).is_ok());
        assert!(verified(&both_replaced, Some(&right)).unwrap_err().contains("from before"));
        assert!(verified(&Room { secret: None, ..room() }, None).unwrap_err().contains("not drawn"));
    }
}
