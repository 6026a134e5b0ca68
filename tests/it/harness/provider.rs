//! A running `flashsale provider`, and a client of it.

use std::process::Command;

use flashsale::infrastructure::payment::{PaymentSettings, ProviderKey, WebhookSecret};
use hmac::{Hmac, KeyInit, Mac};
use hyper::Method;
use serde_json::{Value, json};
use sha2::Sha256;

use super::client::{Answer, Client};
use super::program::Program;

pub const PROVIDER_KEY: &str = "the-key-of-the-provider";
pub const WEBHOOK_SECRET: &str = "the-secret-of-the-webhooks";

/// A running `flashsale provider`. It is killed when this is dropped.
pub struct Provider {
    pub program: Program,
    pub api: ProviderApi,
}

/// The API of a provider, for a caller with the key.
#[derive(Clone)]
pub struct ProviderApi(Client);

/// Signs an event at this time, in seconds since the Unix epoch, as the provider does.
pub fn signature(body: &str, time: i64) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(WEBHOOK_SECRET.as_bytes()).expect("a key");
    mac.update(format!("{time}.{body}").as_bytes());
    let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={time},v1={digits}")
}

/// Returns the command of a provider with this database.
pub fn command(database_url: &str, args: &[&str]) -> Command {
    command_at("127.0.0.1:0", database_url, args)
}

fn command_at(address: &str, database_url: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flashsale"));
    command.args(["provider", "--listen", address]).args(args);
    command.env("PROVIDER_DATABASE_URL", database_url).env_remove("LOG");
    command.env("PROVIDER_KEY", PROVIDER_KEY).env("WEBHOOK_SECRET", WEBHOOK_SECRET);
    command
}

impl Provider {
    pub async fn start(database_url: &str, args: &[&str]) -> Self {
        Provider::start_at("127.0.0.1:0", database_url, args).await
    }

    /// Returns the settings of a service that is paid through it.
    pub fn settings(&self) -> PaymentSettings {
        let url = self.program.client.base().parse().expect("a URL");
        PaymentSettings {
            provider: ProviderKey::new(PROVIDER_KEY.into()).map(|key| (url, key)),
            webhook_secret: WebhookSecret::new(WEBHOOK_SECRET.into()),
            ..PaymentSettings::NONE
        }
    }

    pub async fn start_at(address: &str, database_url: &str, args: &[&str]) -> Self {
        let program = Program::run(command_at(address, database_url, args)).await;
        let api = ProviderApi(program.client.clone());
        Provider { program, api }
    }
}

impl ProviderApi {
    pub async fn get(&self, path: &str) -> Answer {
        let request = self.0.request(Method::GET, path);
        self.0.send(request.header("authorization", format!("Bearer {PROVIDER_KEY}")), "").await
    }

    pub async fn post(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.try_post(path, key, body).await.expect("the provider answers")
    }

    /// Returns `None` if the provider does not answer.
    pub async fn try_post(&self, path: &str, key: &str, body: &Value) -> Option<Answer> {
        let request = self.0.request(Method::POST, path).header("content-type", "application/json");
        let request = request.header("authorization", format!("Bearer {PROVIDER_KEY}"));
        self.0.try_send(request.header("idempotency-key", key), &body.to_string()).await
    }

    /// Creates an intent for an order. Returns its id.
    pub async fn intent(&self, order: &str) -> String {
        self.intent_of(order, order).await
    }

    /// Does the same with a key of its own, so that an order may have several.
    pub async fn intent_of(&self, order: &str, key: &str) -> String {
        let body = json!({ "amount": 1990, "currency": "EUR", "order_id": order });
        let created = self.post("/payment_intents", &format!("{key}:create"), &body).await.expect(201);
        created.json()["id"].as_str().expect("an id").to_owned()
    }

    pub async fn confirm(&self, intent: &str, key: &str, method: &str) -> Answer {
        let body = json!({ "payment_method": method });
        self.post(&format!("/payment_intents/{intent}/confirm"), key, &body).await
    }

    pub async fn cancel(&self, intent: &str, key: &str) -> Answer {
        self.post(&format!("/payment_intents/{intent}/cancel"), key, &json!({})).await
    }

    pub async fn refund(&self, intent: &str, key: &str) -> Answer {
        self.post("/refunds", key, &json!({ "payment_intent": intent })).await
    }

    pub async fn status(&self, intent: &str) -> String {
        let intent = self.get(&format!("/payment_intents/{intent}")).await.expect(200).json();
        intent["status"].as_str().expect("a status").to_owned()
    }

    pub async fn report(&self) -> Value {
        self.get("/report").await.expect(200).json()
    }
}
