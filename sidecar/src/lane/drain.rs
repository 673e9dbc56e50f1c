//! The stop: no more reading, what is in flight is waited for, and the rest is let go of.

use super::message::Action;
use super::{Draining, Lane};

impl Draining {
    pub(super) fn grace_over(self) -> Self {
        match self {
            Draining::Complete => Draining::Complete,
            _ => Draining::GraceOver,
        }
    }
}

impl Lane {
    pub(super) fn drain(&mut self) {
        if self.draining == Draining::No {
            self.draining = Draining::Yes;
            for route in 0..self.routes.len() {
                self.release(route);
            }
        }
    }

    pub(super) fn advance_drain(&mut self) {
        match self.draining {
            Draining::No => {
                self.release_if_abandoned();
                return;
            }
            Draining::Complete => return,
            Draining::Yes => {}
            Draining::GraceOver => {
                self.free_in_flight();
            }
        }
        // What was in flight comes back when its subscriber goes, and what a read was bringing arrives.
        for route in 0..self.routes.len() {
            self.release(route);
        }
        let busy = self
            .routes
            .iter()
            .any(|route| route.reading || route.errand || !route.settling.is_empty());
        if self.window.in_flight.is_empty() && !busy {
            self.draining = Draining::Complete;
            self.act(Action::Drained);
        }
    }
}
