//! The calls that are under way.

use super::event::Attempt;
use super::guard::{Leave, Paid};
use core::time::Duration;
use resil_core::Instant;
use resil_core::call::{Call, Ticket};

/// A call that is under way.
#[derive(Debug)]
pub(super) struct UnderWay {
    pub(super) call: Call<Leave, Paid>,
    pub(super) tickets: [Option<Ticket>; 2],
    pub(super) node: usize,
    /// The peer that it is for.
    pub(super) home: usize,
    /// Attempts that are out.
    pub(super) own: u16,
    /// When it began, in true time, and what had happened to its node by then.
    pub(super) began: Instant,
    pub(super) stood_still: Duration,
    pub(super) steps_back: u32,
    /// When it is polled next.
    pub(super) next_poll: Instant,
}

impl UnderWay {
    /// The ticket of an attempt, to be told back.
    pub(super) fn take(&mut self, number: u32) -> Option<Ticket> {
        let is_it = |ticket: &&mut Option<Ticket>| {
            ticket.as_ref().is_some_and(|ticket| ticket.number() == number)
        };
        self.tickets.iter_mut().find(is_it)?.take()
    }

    /// Keeps the ticket of an attempt, in the place of one that is not waited for any more.
    pub(super) fn keep(&mut self, ticket: Ticket) {
        let call = &self.call;
        let is_free =
            |kept: &&mut Option<Ticket>| kept.as_ref().is_none_or(|kept| !call.is_in_flight(kept));
        if let Some(free) = self.tickets.iter_mut().find(is_free) {
            *free = Some(ticket);
        }
    }
}

/// Places for calls.
#[derive(Debug)]
pub(super) struct Calls {
    places: Vec<(u32, Option<UnderWay>)>,
    free: Vec<u32>,
}

impl Calls {
    pub(super) fn new(room: usize) -> Self {
        let places = (0..room).map(|_| (0, None)).collect();
        Self { places, free: (0..room as u32).collect() }
    }

    /// Gives a call a place: `None` when there is none left.
    pub(super) fn add(&mut self, call: UnderWay) -> Option<(u32, u32)> {
        let place = self.free.pop()?;
        let (turn, kept) = &mut self.places[place as usize];
        *kept = Some(call);
        Some((place, *turn))
    }

    pub(super) fn get(&mut self, place: u32, turn: u32) -> Option<&mut UnderWay> {
        let (present, call) = &mut self.places[place as usize];
        if *present == turn { call.as_mut() } else { None }
    }

    pub(super) fn of(&mut self, attempt: Attempt) -> Option<&mut UnderWay> {
        self.get(attempt.place, attempt.turn)
    }

    pub(super) fn remove(&mut self, place: u32) -> Option<UnderWay> {
        let (turn, call) = &mut self.places[place as usize];
        let call = call.take()?;
        *turn += 1;
        self.free.push(place);
        Some(call)
    }

    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Where calls are, and which.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, u32, &UnderWay)> {
        let places = (0..).zip(&self.places);
        places.filter_map(|(place, (turn, call))| Some((place, *turn, call.as_ref()?)))
    }
}
