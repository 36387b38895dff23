//! Token buckets of two tokens, one of them strict, with refunds or against the exact fraction.

mod laws;

use super::search::{BASE, Clock, Law, World};
use core::fmt::Debug;
use core::time::Duration;
use resil_core::outcome::{Rejected, RetryAt};
use resil_core::rate_limit::{
    BucketCharge, BucketState, Limit, RateLimitConfig, StrictBucket, TokenBucket,
};
use resil_core::{Instant, valid};

const fn config(max_requests: u32, window: u64, burst: u32) -> RateLimitConfig {
    let config = RateLimitConfig::builder()
        .max_requests(max_requests)
        .time_window(Duration::from_nanos(window))
        .burst_size(burst);
    match config.build() {
        Ok(config) => config,
        Err(_) => panic!("a limit that does not hold"),
    }
}

/// A token every 3 ns: its units are nanoseconds.
pub(super) const THREE: TokenBucket = TokenBucket::new(config(1, 3, 2));
/// A token every 3⅓ ns: its units are shorter ones.
pub(super) const THIRDS: TokenBucket = TokenBucket::new(config(3, 10, 2));
/// At most 3 in any 8 ns: 2 at once, and one every 8 ns.
pub(super) const STRICT: StrictBucket = valid!(StrictBucket::new(config(3, 8, 2)));

/// A limit whose state is a bucket's.
pub(super) trait IsBucket:
    Limit<State = BucketState, Charge = BucketCharge> + Clone + Debug + 'static
{
}

impl IsBucket for TokenBucket {}
impl IsBucket for StrictBucket {}

#[derive(Clone, Copy, Debug)]
pub(super) enum Input {
    Pass,
    /// To the next deadline, or past it by so much.
    Deadline(u64),
    StepBack(u64),
    Reanchor,
    Ask(u32),
    /// What this admission took is given back.
    Refund(usize),
}

#[derive(Debug)]
pub(super) enum Answer {
    Asked(Result<(), Rejected>),
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planted {
    /// Every admission begins the refill anew.
    RefillBeginsAnew,
    /// A refund gives back what has been refilled meanwhile as well.
    RefundsTwice,
    /// Who asks 1 ns too early is let in.
    AdmitsEarly,
    /// Who is refused pays.
    RefusalCosts,
    /// A clock that stepped back fills the bucket.
    StepBackFills,
}

/// An admission, and the charge of it; a copy is issued by the same state again.
#[derive(Debug)]
struct Admitted<L: IsBucket> {
    limit: &'static L,
    before: BucketState,
    at: Instant,
    cost: u32,
    /// In the time that the clock has gone forward.
    lived: u64,
    /// There while it can be given back.
    charge: Option<BucketCharge>,
}

impl<L: IsBucket> Clone for Admitted<L> {
    fn clone(&self) -> Self {
        let issue = |_: &BucketCharge| {
            let again = self.limit.try_acquire(&mut self.before.clone(), self.cost, self.at);
            again.expect("the same state answers the same")
        };
        let (charge, before) = (self.charge.as_ref().map(issue), self.before.clone());
        Self { before, charge, ..*self }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Bucket<L: IsBucket> {
    limit: &'static L,
    /// Refilled requests, in how many nanoseconds, which are how many units.
    rate: (u64, u64, u64),
    state: BucketState,
    /// What was admitted and not given back, of the last [`LOOKS_BACK`] nanoseconds.
    admitted: Vec<Admitted<L>>,
    /// When the bucket is full by the exact fraction, in parts of a nanosecond.
    full_at: u64,
    has_refunds: bool,
    clock: Clock,
    planted: Option<Planted>,
}

/// How long admissions are remembered.
const LOOKS_BACK: u64 = 8;

impl<L: IsBucket> Bucket<L> {
    /// Refilled at so many `requests` in `window` nanoseconds.
    pub(super) fn new(
        limit: &'static L,
        (requests, window): (u32, u64),
        has_refunds: bool,
        reach: u64,
        planted: Option<Planted>,
    ) -> Self {
        let refill = config(requests, window, 1);
        let units = TokenBucket::new(refill).units(requests);
        let (rate, clock) = ((requests.into(), window, units), Clock::new(reach));
        let (state, admitted) = (BucketState::FRESH, Vec::new());
        Self { limit, rate, state, admitted, full_at: 0, has_refunds, clock, planted }
    }

    fn now(&self) -> Instant {
        self.clock.instant()
    }

    /// The time in which all of it is refilled, in parts of a nanosecond.
    fn refill(&self) -> u64 {
        u64::from(self.limit.capacity()) * self.rate.1
    }

    /// Whether the exact bucket has so much at `now`, which may be another than the clock's.
    fn exactly_has(&self, cost: u32, now: u64) -> bool {
        let parts = now * self.rate.0;
        let keeps = self.full_at <= parts + 2 * self.refill();
        keeps && self.full_at.max(parts) + u64::from(cost) * self.rate.1 <= parts + self.refill()
    }

    fn ask(&mut self, cost: u32) -> Result<(), Rejected> {
        let (before, at) = (self.state.clone(), self.now());
        let asked = self.limit.try_acquire(&mut self.state, cost, at);
        let parts = self.clock.now * self.rate.0;
        let charge = match asked {
            Ok(charge) => charge,
            Err(rejected) => {
                let may_ever_pass = cost <= self.limit.capacity();
                if may_ever_pass && self.full_at > parts + 2 * self.refill() {
                    self.full_at = parts + self.refill();
                }
                return self.planted_after_refusal(cost, rejected);
            }
        };
        if cost > 0 {
            self.full_at = self.full_at.max(parts) + u64::from(cost) * self.rate.1;
            let (limit, lived) = (self.limit, self.clock.lived());
            let charge = self.has_refunds.then_some(charge);
            self.admitted.push(Admitted { limit, before, at, cost, lived, charge });
        }
        if self.planted == Some(Planted::RefillBeginsAnew) {
            let mut fresh = BucketState::FRESH;
            if self.limit.try_acquire(&mut fresh, cost, at).is_ok() && cost > 0 {
                self.state = fresh;
            }
        }
        Ok(())
    }

    fn planted_after_refusal(&mut self, cost: u32, rejected: Rejected) -> Result<(), Rejected> {
        match (self.planted, rejected.retry()) {
            (Some(Planted::AdmitsEarly), RetryAt::At(at))
                if at.as_nanos() == self.clock.now + 1 =>
            {
                let before = self.state.clone();
                let _spent = self.limit.try_acquire(&mut self.state, cost, at)?;
                let (limit, lived) = (self.limit, self.clock.lived());
                self.admitted.push(Admitted { limit, before, at, cost, lived, charge: None });
                Ok(())
            }
            (Some(Planted::RefusalCosts), _) => {
                self.state = BucketState::from_raw(self.state.clone().into_raw() + 1);
                Err(rejected)
            }
            _ => Err(rejected),
        }
    }

    fn refund(&mut self, place: usize) {
        let admitted = self.admitted.remove(place);
        let (charge, now) = (admitted.charge.expect("only these are given back"), self.now());
        if self.planted == Some(Planted::RefundsTwice) {
            let raw = self.state.clone().into_raw();
            let cost = self.rate.2 / self.rate.0 * u64::from(admitted.cost);
            self.state = BucketState::from_raw(raw.saturating_sub(cost));
        } else {
            self.limit.refund(&mut self.state, charge, now);
        }
    }

    /// What is older says nothing any more.
    fn forget(&mut self) {
        let lived = self.clock.lived();
        self.admitted.retain(|admitted| lived - admitted.lived <= LOOKS_BACK);
        // Two may be given back, the latest.
        let older = self.admitted.len().saturating_sub(2);
        self.admitted[..older].iter_mut().for_each(|admitted| admitted.charge = None);
    }

    /// Units since the window of the clock began, which are the same in every window.
    fn relative(&self, raw: u64) -> i128 {
        let (_, window, units) = self.rate;
        let begin = |at: u64| i128::from(at / window) * i128::from(units);
        let past = begin(self.clock.floor(self.refill()) - window);
        i128::from(raw).max(past) - begin(self.clock.now)
    }

    fn shape_of(&self, admitted: &Admitted<L>) -> String {
        let charge = format!("{:?}", admitted.charge);
        let mut numbers = charge.split(|c: char| !c.is_ascii_digit());
        let relative = |raw: u64| if raw > BASE / 2 { self.relative(raw) } else { raw.into() };
        let charge: Vec<_> =
            numbers.by_ref().filter_map(|n| n.parse().ok()).map(relative).collect();
        format!("{} {} {charge:?}", self.clock.lived() - admitted.lived, admitted.cost)
    }
}

impl<L: IsBucket> World for Bucket<L> {
    type Input = Input;
    type Answer = Answer;

    const LAWS: &'static [Law<Self>] = laws::Laws::<L>::ALL;

    fn inputs(&self) -> Vec<Input> {
        let mut inputs = vec![Input::Pass, Input::Reanchor];
        if self.limit.next_deadline(&self.state, self.now()).is_some() {
            inputs.extend([Input::Deadline(0), Input::Deadline(1)]);
        }
        inputs.extend(self.clock.may_go_back().map(Input::StepBack));
        inputs.extend((0..=self.limit.capacity() + 1).map(Input::Ask));
        let can_be_given_back = |place: &usize| self.admitted[*place].charge.is_some();
        inputs.extend((0..self.admitted.len()).filter(can_be_given_back).map(Input::Refund));
        inputs
    }

    fn apply(&mut self, input: Input) -> Answer {
        match input {
            Input::Pass => self.clock.forward(1),
            Input::Deadline(past) => {
                let deadline = self.limit.next_deadline(&self.state, self.now());
                self.clock
                    .forward(deadline.expect("there is one").as_nanos() - self.clock.now + past);
            }
            Input::StepBack(by) => {
                self.clock.back(by);
                if self.planted == Some(Planted::StepBackFills) {
                    self.state = BucketState::FRESH;
                }
            }
            Input::Reanchor => {
                let now = self.now();
                self.limit.reanchor(&mut self.state, now);
                let parts = self.clock.now * self.rate.0;
                if self.full_at > parts + 2 * self.refill() {
                    self.full_at = parts + self.refill();
                }
            }
            Input::Ask(cost) => {
                let asked = self.ask(cost);
                self.forget();
                return Answer::Asked(asked);
            }
            Input::Refund(place) => self.refund(place),
        }
        self.forget();
        Answer::Nothing
    }

    fn shape(&self) -> String {
        let mut admitted: Vec<_> = self.admitted.iter().map(|each| self.shape_of(each)).collect();
        admitted.sort();
        let in_window = self.clock.now % self.rate.1;
        let now = i128::from(self.clock.now * self.rate.0);
        let back = i128::from(self.clock.floor(self.refill()) * self.rate.0);
        let exactly = if self.has_refunds { 0 } else { i128::from(self.full_at).max(back) - now };
        let raw = self.relative(self.state.clone().into_raw());
        format!("{raw} {in_window} {admitted:?} {exactly} {}", self.clock.behind())
    }

    fn phase(&self) -> String {
        let now = self.now();
        match self.limit.available(&self.state, now) {
            _ if self.limit.is_fresh(&self.state, now) => "full".to_owned(),
            1 => "1 token".to_owned(),
            tokens => format!("{tokens} tokens"),
        }
    }

    fn class(&self, input: Input) -> &'static str {
        match input {
            Input::Pass | Input::Deadline(_) => "time",
            Input::StepBack(_) => "the clock steps back",
            Input::Reanchor => "reanchor",
            Input::Ask(_) => "ask",
            Input::Refund(_) => "refund",
        }
    }
}

/// Found by a search with refunds and steps back, which is why no world has both: the step makes a charge
/// young again whose tokens had come back already.
#[test]
fn a_refund_after_a_step_back_may_give_back_what_was_refilled_but_no_more_than_it_cost() {
    let (at, mut state) = (|ahead| Instant::from_nanos(BASE + ahead), BucketState::FRESH);
    let charge = THREE.try_acquire(&mut state, 1, at(0)).unwrap();
    let _both = THREE.try_acquire(&mut state, 2, at(3)).unwrap();
    let back = Instant::from_nanos(BASE - 4);
    THREE.reanchor(&mut state, back);
    assert_eq!(THREE.available(&state, back), 0, "the step alone mints nothing");
    THREE.refund(&mut state, charge, back);
    assert_eq!(THREE.available(&state, back), 1);
}
