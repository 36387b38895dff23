//! The search: breadth first, so that the first way to a broken law is a shortest one.

use core::fmt::{self, Debug};
use core::panic::AssertUnwindSafe;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::panic::catch_unwind;

/// A machine, whoever uses it, and what is known about both besides: everything that can happen next is an
/// input, and every input is answered.
pub(super) trait World: Clone + 'static {
    type Input: Copy + Debug;
    type Answer: Debug;

    /// What has to hold of every turn.
    const LAWS: &'static [Law<Self>];

    /// All that can happen next.
    fn inputs(&self) -> Vec<Self::Input>;

    /// Makes it happen.
    fn apply(&mut self, input: Self::Input) -> Self::Answer;

    /// What this state has in common with all that go on in the same way.
    fn shape(&self) -> String;

    /// The part of the diagram that it belongs to.
    fn phase(&self) -> String;

    /// What the diagram calls an input.
    fn class(&self, input: Self::Input) -> &'static str;
}

/// An input, what it met, and what it left.
pub(super) struct Turn<'a, W: World> {
    pub(super) before: &'a W,
    pub(super) input: W::Input,
    pub(super) answer: &'a W::Answer,
    pub(super) after: &'a W,
}

/// Whether a law had something to say, or how it was broken.
pub(super) type Verdict = Result<bool, String>;

/// A law has the name of its function.
pub(super) struct Law<W: World> {
    pub(super) name: &'static str,
    pub(super) holds: fn(&Turn<'_, W>) -> Verdict,
}

/// The laws of a world, each by its name alone.
macro_rules! laws {
    ($($law:ident),+ $(,)?) => { &[$(Law { name: stringify!($law), holds: $law }),+] };
}
pub(super) use laws;

/// Where a claim holds, it had something to say; where not, why.
pub(super) fn claim(holds: bool, why: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(true) } else { Err(why()) }
}

/// The law has nothing to say about this turn.
pub(super) const SILENT: Verdict = Ok(false);

/// What a search has seen.
#[derive(Debug)]
pub(super) struct Explored {
    pub(super) states: usize,
    pub(super) transitions: u64,
    pub(super) depth: usize,
    /// Whether nothing more is reachable; otherwise what is deeper was not looked at.
    pub(super) is_complete: bool,
    /// How often each law had something to say.
    pub(super) applied: BTreeMap<&'static str, u64>,
    /// What leads from one phase to another.
    pub(super) edges: BTreeMap<(String, String), BTreeSet<&'static str>>,
}

/// A broken law, and a shortest way to it.
pub(super) struct Broken {
    pub(super) law: &'static str,
    why: String,
    path: Vec<String>,
}

impl Broken {
    pub(super) fn steps(&self) -> usize {
        self.path.len()
    }
}

impl Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} is broken: {}", self.law, self.why)?;
        self.path
            .iter()
            .enumerate()
            .try_for_each(|(step, line)| writeln!(f, "{:4}. {line}", step + 1))
    }
}

/// How a state was reached first: from which one, by what.
struct Reached<I> {
    from: usize,
    by: Option<I>,
    depth: usize,
}

/// Looks at every state that is reachable from `first` within `max_depth` inputs.
pub(super) fn explore<W: World>(first: &W, max_depth: usize) -> Result<Explored, Broken> {
    let mut explored = Explored {
        states: 1,
        transitions: 0,
        depth: 0,
        is_complete: true,
        applied: W::LAWS.iter().map(|law| (law.name, 0)).collect(),
        edges: BTreeMap::new(),
    };
    let mut seen = HashMap::from([(first.shape(), 0)]);
    let mut reached = vec![Reached { from: 0, by: None, depth: 0 }];
    let mut frontier = VecDeque::from([(first.clone(), 0)]);
    while let Some((before, at)) = frontier.pop_front() {
        let depth = reached[at].depth;
        if depth == max_depth {
            explored.is_complete = false;
            continue;
        }
        let from = before.phase();
        for input in before.inputs() {
            explored.transitions += 1;
            let mut after = before.clone();
            let turned = turn(&before, input, &mut after, &mut explored.applied);
            let id = reached.len();
            if let Err((law, why)) = turned {
                reached.push(Reached { from: at, by: Some(input), depth: depth + 1 });
                return Err(Broken { law, why, path: path(first, &reached, id) });
            }
            let to = after.phase();
            if to != from {
                let edge = explored.edges.entry((from.clone(), to)).or_default();
                edge.insert(before.class(input));
            }
            seen.entry(after.shape()).or_insert_with(|| {
                reached.push(Reached { from: at, by: Some(input), depth: depth + 1 });
                explored.depth = depth + 1;
                frontier.push_back((after, id));
                id
            });
        }
    }
    explored.states = reached.len();
    Ok(explored)
}

/// One input, and all laws. Whatever panics is a broken law as well.
fn turn<W: World>(
    before: &W,
    input: W::Input,
    after: &mut W,
    applied: &mut BTreeMap<&'static str, u64>,
) -> Result<(), (&'static str, String)> {
    let mut all = || {
        let answer = after.apply(input);
        let turn = Turn { before, input, answer: &answer, after: &*after };
        for law in W::LAWS {
            let had_a_say = (law.holds)(&turn).map_err(|why| (law.name, why))?;
            *applied.get_mut(law.name).expect("all are there from the start") +=
                u64::from(had_a_say);
        }
        Ok(())
    };
    catch_unwind(AssertUnwindSafe(&mut all)).unwrap_or_else(|panic| {
        let why = panic.downcast_ref::<String>().cloned();
        let why = why.or_else(|| panic.downcast_ref::<&str>().map(|why| (*why).to_owned()));
        Err(("nothing_panics", why.unwrap_or_default()))
    })
}

/// The inputs that led to a state, with their answers.
fn path<W: World>(first: &W, reached: &[Reached<W::Input>], mut at: usize) -> Vec<String> {
    let mut inputs = Vec::new();
    while let Some(input) = reached[at].by {
        inputs.push(input);
        at = reached[at].from;
    }
    let mut world = first.clone();
    let answered = |input| {
        let phase = world.phase();
        let answer = catch_unwind(AssertUnwindSafe(|| format!("{:?}", world.apply(input))));
        format!("{phase}: {input:?} -> {}", answer.unwrap_or_else(|_| "a panic".to_owned()))
    };
    inputs.into_iter().rev().map(answered).collect()
}

/// Debug text in which every instant is its distance from `now`. Numbers from half of [`BASE`] on are
/// instants, all others are counts; what lies before `floor` is one and the same past.
pub(super) fn relative(text: &str, now: u64, floor: u64) -> String {
    let mut shape = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let digits = &rest[start..];
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        shape.push_str(&rest[..start]);
        match digits[..end].parse::<u64>() {
            Ok(u64::MAX) => shape.push_str("never"),
            Ok(at) if at >= BASE / 2 => {
                let ahead = i128::from(at.max(floor)) - i128::from(now);
                shape.push_str(&format!("{ahead:+}"));
            }
            _ => shape.push_str(&digits[..end]),
        }
        rest = &digits[end..];
    }
    shape.push_str(rest);
    shape
}

/// The number that follows a name in a text.
pub(super) fn number_after<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let rest = &text[text.find(name)? + name.len()..];
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    Some(&rest[..end])
}

/// When every world begins: so late that no count is as large, and that no clock steps back to its epoch.
pub(super) const BASE: u64 = 1 << 40;

/// A clock that goes on, jumps and steps back, but never further than `reach` behind the latest it has
/// shown: so there are finitely many states of it.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    pub(super) now: u64,
    latest: u64,
    reach: u64,
    lived: u64,
}

impl Clock {
    pub(super) const fn new(reach: u64) -> Self {
        Self { now: BASE, latest: BASE, reach, lived: 0 }
    }

    pub(super) const fn instant(&self) -> resil_core::Instant {
        resil_core::Instant::from_nanos(self.now)
    }

    /// How long it has gone forward in all.
    pub(super) const fn lived(&self) -> u64 {
        self.lived
    }

    pub(super) const fn reach(&self) -> u64 {
        self.reach
    }

    pub(super) const fn may_ever_go_back(&self) -> bool {
        self.reach > 0
    }

    /// How far it may step back now.
    pub(super) fn may_go_back(&self) -> Option<u64> {
        (self.reach > 0 && self.now == self.latest).then_some(self.reach)
    }

    pub(super) fn forward(&mut self, by: u64) {
        self.now += by;
        self.lived += by;
        self.latest = self.latest.max(self.now);
    }

    pub(super) fn back(&mut self, by: u64) {
        self.now -= by;
    }

    /// How far it is behind the latest that it has shown.
    pub(super) fn behind(&self) -> u64 {
        self.latest - self.now
    }

    /// The instant before which all are the same to whoever looks back by at most `memory`, however the
    /// clock goes on.
    pub(super) fn floor(&self, memory: u64) -> u64 {
        self.latest - self.reach - memory - 1
    }
}
