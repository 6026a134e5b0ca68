//! `flashsale config`

use std::fmt::Write;
use std::process::ExitCode;

use clap::{Arg, Args, CommandFactory};

use crate::config::{HttpConfig, PaymentConfig, SaleConfig, StoreConfig};

use super::{Cli, Failure};

/// All settings, so that they are checked and shown here as in the other commands.
#[derive(Debug, Args)]
pub struct Config {
    #[command(flatten)]
    _stores: StoreConfig,
    #[command(flatten)]
    sales: SaleConfig,
    #[command(flatten)]
    _http: HttpConfig,
    #[command(flatten)]
    _payments: PaymentConfig,
    /// Print a commented sample of all settings with their defaults instead
    #[arg(long)]
    example: bool,
}

impl Config {
    pub fn run(self) -> Result<ExitCode, Failure> {
        self.sales.settings()?;
        print!("{}", if self.example { example() } else { effective() });
        Ok(ExitCode::SUCCESS)
    }
}

/// Returns a sample of an environment file: each setting with its meaning and default.
pub fn example() -> String {
    let mut text = String::from("# Every setting, as `flashsale config --example` prints it.\n");
    for setting in settings() {
        let name = setting.get_env().unwrap_or_default().to_string_lossy();
        let help = setting.get_help().map(ToString::to_string).unwrap_or_default();
        let default = setting.get_default_values().first().map(|value| value.to_string_lossy());
        let comment = if default.is_some() { "" } else { "# " };
        let _infallible = write!(text, "\n# {help}\n{comment}{name}={}\n", default.unwrap_or_default());
    }
    text
}

/// Returns the values in effect, from flags, the environment and defaults, without secrets.
fn effective() -> String {
    let matches = Cli::command().get_matches();
    let Some((_, matches)) = matches.subcommand() else { return String::new() };
    let mut text = String::new();
    for setting in settings() {
        let name = setting.get_env().unwrap_or_default().to_string_lossy();
        let values = matches.get_raw(setting.get_id().as_str()).into_iter().flatten();
        let values: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
        let value = values.join(",");
        let is_secret = setting.is_hide_env_values_set() && !value.is_empty();
        let value = if is_secret { without_secret(&value) } else { value };
        let _infallible = writeln!(text, "{name}={value}");
    }
    text
}

fn settings() -> Vec<Arg> {
    let command = Cli::command();
    let config = command.find_subcommand("config").into_iter().flat_map(|config| config.get_arguments());
    config.chain(command.get_arguments()).filter(|setting| setting.get_env().is_some()).cloned().collect()
}

/// Returns a URL without its password, and nothing of any other secret.
fn without_secret(value: &str) -> String {
    let url = value.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?)));
    match url {
        Some((scheme, (login, host))) => {
            let user = login.split_once(':').map_or(login, |(user, _password)| user);
            format!("{scheme}://{user}:***@{}", without_password_parameter(host))
        }
        None if value.contains("://") => without_password_parameter(value),
        None => "***".to_owned(),
    }
}

/// Returns an address without a password in its query, where PostgreSQL accepts it too.
fn without_password_parameter(address: &str) -> String {
    let Some((address, query)) = address.split_once('?') else { return address.to_owned() };
    let shown = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if name.contains("password") => format!("{name}=***"),
        _ => pair.to_owned(),
    };
    format!("{address}?{}", query.split('&').map(shown).collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        assert_eq!(without_secret("postgres://me:geheim@host:5432/shop"), "postgres://me:***@host:5432/shop");
        assert_eq!(without_secret("redis://:ge@heim@host/"), "redis://:***@host/");
        assert_eq!(without_secret("redis://127.0.0.1:6379"), "redis://127.0.0.1:6379");
        assert_eq!(without_secret("geheim"), "***");
        let query = "sslmode=verify-full&password=***&sslrootcert=/ca.pem";
        let url = |login: &str| format!("postgres://{login}host/shop?{}", query.replace("***", "geheim"));
        assert_eq!(without_secret(&url("")), format!("postgres://host/shop?{query}"));
        assert_eq!(without_secret(&url("me:ge?heim@")), format!("postgres://me:***@host/shop?{query}"));
    }

    #[test]
    fn the_wiki_lists_every_setting_with_its_default() {
        let page = include_str!("../../wiki/Settings.md");
        let cells = |line: &str| line.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect();
        let rows = page.lines().filter(|line| line.starts_with("| `")).map(cells);
        let documented: Vec<(String, String)> = rows.map(|row: Vec<String>| (row[1].clone(), row[2].clone())).collect();
        let row = |setting: &Arg| {
            let name = setting.get_env().unwrap().to_string_lossy().into_owned();
            (name, setting.get_default_values().first().map(|value| value.to_string_lossy().into_owned()))
        };
        let defined = settings().iter().map(row).map(|(name, default)| (name, default.unwrap_or_default())).collect();
        assert_eq!(sorted(documented), sorted(defined), "wiki/Settings.md and the settings of the program");
    }

    fn sorted(mut rows: Vec<(String, String)>) -> Vec<(String, String)> {
        rows.sort();
        rows
    }

    #[test]
    fn the_sample_file_is_what_the_program_prints() {
        let sample = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/.env.example")).unwrap();
        assert!(sample.ends_with(&example()), "run `cargo run -- config --example` and put it into .env.example");
    }
}
