//! Tokens of users.

use chrono::{DateTime, TimeDelta, Utc};
use divan::{Bencher, black_box};
use flashsale::infrastructure::tokens::{Claims, TokenKeys};

const HS256: &str = "a:HS256:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
// The key of RFC 8037, appendix A.
const EDDSA: &str = "a:EdDSA:nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL_tPJZAc6DuFy89qmIyWvAhpo9wdRGg";

fn keys(text: &str) -> TokenKeys {
    text.parse().expect("the keys are valid")
}

fn token(keys: &TokenKeys, expires_at: DateTime<Utc>) -> String {
    let user = "guest-2f523b9ce88dfcf211ae627e43cb2958".parse().expect("a user id");
    keys.sign(&Claims { user, expires_at }).expect("the first key signs")
}

/// Checks a token that was sent before, as all but the first request of a user do.
#[divan::bench(args = [HS256, EDDSA])]
fn check(bencher: Bencher, text: &str) {
    let (keys, now) = (keys(text), Utc::now());
    let token = token(&keys, now + TimeDelta::hours(1));
    bencher.bench(|| keys.check(black_box(&token), now).is_ok());
}

/// Checks tokens that were never sent before.
#[divan::bench(args = [HS256, EDDSA])]
fn check_first(bencher: Bencher, text: &str) {
    let (keys, now) = (keys(text), Utc::now());
    let mut expires_at = now + TimeDelta::hours(1);
    let new_token = || {
        expires_at += TimeDelta::seconds(1);
        token(&keys, expires_at)
    };
    bencher.with_inputs(new_token).bench_local_values(|token| keys.check(black_box(&token), now).is_ok());
}
