//! A waiting room as its page shows it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::application::admission::RoomView;
use crate::domain::admission::{Phase, Wait};
use crate::domain::sale::Sale;
use crate::domain::shared::SaleId;
use crate::infrastructure::http::admission::standing::with_jitter;
use crate::infrastructure::http::web::number;

/// Time before the end of a pass at which its owner is warned.
const WARNED: TimeDelta = TimeDelta::seconds(60);

/// The step that a shopper has reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Joining opens at this time.
    Early(DateTime<Utc>),
    /// The shopper may join.
    Invited,
    /// The shopper has joined with this number.
    Undrawn(u64),
    Waiting {
        join_number: u64,
        place: u64,
        ahead: u64,
        wait: Option<Wait>,
    },
    /// The shopper has a pass.
    Called {
        join_number: u64,
        place: u64,
        expires_at: DateTime<Utc>,
    },
}

/// A waiting room at one moment, for one shopper.
pub struct QueueView {
    pub id: SaleId,
    pub step: Step,
    pub phase: &'static str,
    /// The heading and the text of every phase, for the script as well.
    pub words: [(&'static str, &'static str, &'static str); 5],
    pub message: Option<String>,
    pub commitment: String,
    pub secret: Option<String>,
    pub entrants: Option<u64>,
    pub joined: u64,
    pub called: u64,
    pub starts: String,
    pub starts_in: String,
    pub starts_ms: i64,
    pub now: DateTime<Utc>,
}

impl QueueView {
    /// The room at this time.
    pub fn new(sale: &Sale, view: &RoomView, step: Step, now: DateTime<Utc>) -> Self {
        let (state, starts_at) = (&view.state, sale.window.starts_at);
        QueueView {
            id: view.sale,
            phase: word(view.phase),
            words: [Phase::Joining, Phase::Open, Phase::Paused, Phase::SoldOut, Phase::Closed].map(|phase| {
                let (heading, text) = words(&step, phase);
                (word(phase), heading, text)
            }),
            message: state.message.clone(),
            commitment: state.secret.commitment(),
            secret: state.drawn.map(|_| state.secret.to_string()),
            entrants: state.drawn,
            joined: state.entrants,
            called: state.called,
            starts: number::time(starts_at, now),
            starts_in: number::span(starts_at - now),
            starts_ms: starts_at.timestamp_millis(),
            now,
            step,
        }
    }

    /// Returns the heading of the present phase.
    pub fn heading(&self) -> &'static str {
        self.words.iter().find(|(phase, ..)| *phase == self.phase).map_or("", |(_, heading, _)| heading)
    }

    /// Returns the text of the present phase.
    pub fn text(&self) -> &'static str {
        self.words.iter().find(|(phase, ..)| *phase == self.phase).map_or("", |(.., text)| text)
    }

    /// Returns true if there is nothing to wait for.
    pub fn is_over(&self) -> bool {
        self.phase == word(Phase::SoldOut) || self.phase == word(Phase::Closed)
    }

    /// Returns the number of the shopper in the order of joining.
    pub fn join_number(&self) -> Option<u64> {
        match self.step {
            Step::Early(_) | Step::Invited => None,
            Step::Undrawn(join_number) | Step::Waiting { join_number, .. } | Step::Called { join_number, .. } => {
                Some(join_number)
            }
        }
    }

    /// Returns the place of the shopper and the number of places before it, for a shopper who waits for the turn.
    pub fn standing(&self) -> Option<(u64, u64)> {
        match self.step {
            Step::Waiting { place, ahead, .. } => Some((place, ahead)),
            _ => None,
        }
    }

    /// Returns the wait in words.
    pub fn wait(&self) -> String {
        match self.step {
            Step::Waiting { wait: Some(wait), .. } => format!("{} to {}", rough(wait.low), rough(wait.high)),
            _ => "not known now".into(),
        }
    }

    /// Returns the seconds after which a page without scripts is to be loaded again; `None` if nothing will change. The
    /// owner of a pass needs it for the warning, and at the end.
    pub fn refresh(&self, view: &RoomView) -> Option<u64> {
        match self.pass_left() {
            Some(left) if left > WARNED => Some((left - WARNED).num_seconds() as u64 + 1),
            Some(left) => Some(left.num_seconds() as u64 + 1),
            None if view.phase == Phase::Closed => None,
            None => {
                let place = self.standing().map(|(place, _)| place);
                Some(with_jitter(view.poll_after(place, self.now)).as_secs_f64().ceil() as u64)
            }
        }
    }

    /// Returns a time of the day.
    pub fn time(&self, time: &DateTime<Utc>) -> String {
        number::time(*time, self.now)
    }

    /// Returns true if the place was called, and there is no pass for it now.
    pub fn has_missed_the_turn(&self) -> bool {
        self.standing().is_some_and(|(place, _)| place <= self.called)
    }

    /// Returns the time that a pass has left, in words.
    pub fn pass_left_in_words(&self) -> String {
        number::span(self.pass_left().unwrap_or_default())
    }

    /// Returns true if a pass is about to end.
    pub fn is_warned(&self) -> bool {
        self.pass_left().is_some_and(|left| left <= WARNED)
    }

    fn pass_left(&self) -> Option<TimeDelta> {
        match self.step {
            Step::Called { expires_at, .. } => Some((expires_at - self.now).max(TimeDelta::zero())),
            _ => None,
        }
    }
}

fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Joining => "joining",
        Phase::Open => "open",
        Phase::Paused => "paused",
        Phase::SoldOut => "sold_out",
        Phase::Closed => "closed",
    }
}

/// Returns a heading and a text.
fn words(step: &Step, phase: Phase) -> (&'static str, &'static str) {
    match (phase, step) {
        (Phase::SoldOut, _) => ("Sold out", "Nothing is left in this sale. There is nothing to wait for."),
        (Phase::Closed, _) => ("The sale is over", "Nobody is called any more."),
        (_, Step::Early(_)) => ("Not open yet", "You can join here shortly before the sale."),
        (Phase::Paused, Step::Called { .. }) => {
            ("It is your turn", "The waiting room is paused: nobody else is called. Your pass stays valid.")
        }
        (_, Step::Called { .. }) => ("It is your turn", "This browser has a pass for the sale now."),
        (Phase::Paused, Step::Invited) => ("Paused", "Nobody is called at the moment. You can join nevertheless."),
        (Phase::Paused, _) => ("Paused", "Nobody is called at the moment. Your place is kept."),
        (Phase::Joining, Step::Invited) => (
            "Join the waiting room",
            "The places of all who join before the start are drawn. Joining sooner is worth nothing.",
        ),
        (Phase::Joining, _) => ("You are in", "Your place is drawn at the start. Joining sooner was worth nothing."),
        (Phase::Open, Step::Invited) => (
            "Join the waiting room",
            "The places are drawn. Who joins now follows after them, in the order of joining.",
        ),
        (Phase::Open, _) => (
            "You are waiting",
            "Keep this page open, in this browser. Who does not come within 30 s of being called keeps the turn, and gets \
             the next pass that is free.",
        ),
    }
}

/// Returns a wait in words, as the script does.
fn rough(wait: Duration) -> String {
    match wait.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}
