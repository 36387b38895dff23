//! Interleaved rounds over the same ids, and the table they end in.

use nix::time::{ClockId, clock_gettime};

use crate::contenders::{Batch, Contender, Kind};

const ROUNDS: usize = 15;
/// A contender whose batch takes longer than this gets a tenth of the ids.
const PATIENCE: u64 = 300_000_000;

/// How long this thread has been running, so that what others run beside it counts little.
pub(crate) fn on_processor() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("every unix has it");
    time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64
}

/// So many ids for valgrind: what a batch does besides is then one in thousands.
const COUNTED: usize = 10_000;

/// A batch, apart from all others: valgrind counts from where this is entered to where it is left.
#[inline(never)]
fn counted_batch(batch: &mut Batch, numbers: &[u32]) -> usize {
    batch(numbers)
}

/// Runs each once to be counted, and says in which order.
pub(crate) fn count(title: &str, contenders: &mut [Contender], numbers: &[u32]) {
    let numbers = &numbers[..COUNTED];
    for Contender { name, kind, batch } in contenders {
        assert_eq!(batch(numbers), COUNTED, "{name} decided otherwise");
        assert_eq!(counted_batch(batch, numbers), COUNTED, "{name} decided otherwise");
        println!("{title}\t{}\t{name}\t{COUNTED}", kind.name());
    }
}

/// Prints what an operation takes each; `numbers` are the ids in their order.
pub(crate) fn run(title: &str, contenders: &mut [Contender], numbers: &[u32]) {
    let mut times = vec![Vec::with_capacity(ROUNDS); contenders.len()];
    let mut lengths = vec![numbers.len(); contenders.len()];
    for round in 0..=ROUNDS {
        for turn in 0..contenders.len() {
            let index = (round + turn) % contenders.len();
            let contender = &mut contenders[index];
            let start = round * 7_919 % (numbers.len() - lengths[index] + 1);
            let batch = &numbers[start..start + lengths[index]];
            let start = on_processor();
            let admitted = (contender.batch)(batch);
            let nanos = on_processor() - start;
            assert_eq!(admitted, batch.len(), "{} decided otherwise", contender.name);
            if round > 0 {
                times[index].push(nanos as f64 / batch.len() as f64);
            } else if nanos > PATIENCE {
                lengths[index] = numbers.len() / 10;
            }
        }
    }
    times.iter_mut().for_each(|times| times.sort_by(f64::total_cmp));
    let median = |index: usize| times[index][ROUNDS / 2];
    let best = |kind| {
        let of_kind = contenders.iter().enumerate().filter(|(_, one)| one.kind == kind);
        of_kind.map(|(index, _)| median(index)).min_by(f64::total_cmp).unwrap_or(f64::NAN)
    };
    let (floor, peer) = (best(Kind::Floor), best(Kind::Peer));
    if std::env::args().any(|word| word == "--lines") {
        for (index, Contender { name, kind, .. }) in contenders.iter().enumerate() {
            let (median, least) = (median(index), times[index][0]);
            println!("{title}\t{}\t{name}\t{median:.1}\t{least:.1}", kind.name());
        }
        return;
    }
    println!("{title}: ns per operation");
    println!("{:38}{:>8}{:>8}{:>9}{:>9}", "", "median", "min", "÷ floor", "÷ peer");
    for (index, contender) in contenders.iter().enumerate() {
        let (name, median, least) = (contender.name, median(index), times[index][0]);
        println!("  {name:36}{median:8.1}{least:8.1}{:9.2}{:9.2}", median / floor, median / peer);
    }
    println!();
}
