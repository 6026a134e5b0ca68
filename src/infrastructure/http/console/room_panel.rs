//! A waiting room as the console shows it.

use crate::application::admission::RoomView;
use crate::domain::admission::Phase;

/// A waiting room with its figures.
pub struct RoomPanel {
    pub figures: [(&'static str, String); 5],
    pub is_paused: bool,
    pub rate: u32,
    pub message: String,
}

impl RoomPanel {
    /// The room as it is now.
    pub fn new(view: &RoomView) -> Self {
        let state = &view.state;
        RoomPanel {
            figures: [
                ("Waiting room", phase(view.phase).to_owned()),
                ("Joined", state.entrants.to_string()),
                ("Called", state.called.to_string()),
                ("Passes out", format!("{} of {}", state.passes, state.active_max)),
                ("Rate", format!("{}/s", state.rate)),
            ],
            is_paused: state.is_paused,
            rate: state.rate,
            message: state.message.clone().unwrap_or_default(),
        }
    }
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Joining => "before the draw",
        Phase::Open => "open",
        Phase::Paused => "paused",
        Phase::SoldOut => "sold out",
        Phase::Closed => "closed",
    }
}
