//! `flashsale token`

use std::process::ExitCode;
use std::time::Duration;

use chrono::Utc;
use clap::Args;

use crate::config::{UserConfig, whole_seconds};
use crate::domain::shared::UserId;
use crate::infrastructure::tokens::Claims;

use super::Failure;

#[derive(Debug, Args)]
pub struct Token {
    /// User whom the token names
    user: UserId,
    /// Time for which it is valid, in whole seconds
    #[arg(long, default_value = "1h", value_parser = whole_seconds)]
    expires: Duration,
    #[command(flatten)]
    users: UserConfig,
}

impl Token {
    pub fn run(self) -> Result<ExitCode, Failure> {
        let keys = self.users.token_keys.ok_or("there are no keys to sign with: set TOKEN_KEYS")?;
        let claims = Claims { user: self.user, expires_at: Utc::now() + self.expires };
        let token = keys.sign(&claims).ok_or("the first key of TOKEN_KEYS can only check: set one that signs first")?;
        println!("{token}");
        Ok(ExitCode::SUCCESS)
    }
}
