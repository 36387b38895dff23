//! The script's arithmetic beside core's, at instants that no server's clock shows.

use core::time::Duration;

use resil_std::core::rate_limit::{BucketState, Limit, RateLimitConfig, TokenBucket};
use resil_std::core::{Instant, RetryAt};

use crate::server::Server;

/// Decides about any number of (state, cost, now), each of 8 bytes.
const DECIDE: &str = concat!(
    include_str!("../../src/redis/bucket.lua"),
    "
    local bucket, answers = read_bucket(ARGV[1]), {}
    for at = 1, #ARGV[2], 24 do
        local state = read(ARGV[2], at)
        local after = decide(bucket, state, read(ARGV[2], at + 8), read(ARGV[2], at + 16))
        answers[#answers + 1] = write(after or state)
    end
    return table.concat(answers)
    "
);

/// SplitMix64: the same numbers in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Of any magnitude up to `bits` bits.
    fn of_bits(&mut self, bits: u32) -> u64 {
        let shift = 64 - bits + (self.next() % u64::from(bits)) as u32;
        self.next() >> shift
    }

    fn bucket(&mut self) -> TokenBucket {
        loop {
            let config = RateLimitConfig::builder()
                .max_requests(self.of_bits(32) as u32)
                .time_window(Duration::from_nanos(self.of_bits(64)))
                .burst_size(self.of_bits(32) as u32)
                .build();
            if let Ok(config) = config {
                return TokenBucket::new(config);
            }
        }
    }

    /// Where to look next: a little later, exactly or just before the instant that was named, far away.
    fn instant(&mut self, now: u64, named: Option<u64>) -> u64 {
        match (self.next() % 8, named) {
            (0..=1, Some(named)) => named,
            (2, Some(named)) => named.saturating_sub(1),
            (0..=4, _) => now.saturating_add(self.of_bits(40)),
            (5, _) => now.saturating_sub(self.of_bits(62)),
            (6, _) => self.next(),
            _ => now,
        }
    }
}

#[test]
fn the_script_decides_as_cores_bucket_does_at_any_rate_state_and_time() {
    let server = Server::start();
    let mut connection = server.client().get_connection().unwrap();
    let mut random = Random(5);
    let (mut admitted, mut refused, mut reanchored) = (0, 0, 0);
    for _ in 0..300 {
        let bucket = random.bucket();
        let numbers = bucket.numbers();
        let named = [numbers.full, numbers.shortfall, numbers.excess, numbers.horizon];
        let (mut state, mut now, mut opens) = (0, random.of_bits(63), None);
        let (mut questions, mut expected) = (Vec::new(), Vec::new());
        for _ in 0..200 {
            now = random.instant(now, opens);
            if random.next().is_multiple_of(16) {
                state = random.next();
            }
            let burst = u64::from(bucket.config().burst_size());
            let cost = (1 + random.of_bits(32) % burst) as u32;
            let asked = [state, bucket.units(cost), now];
            questions.extend(asked.map(u64::to_be_bytes).concat());

            let step = bucket.step(&BucketState::from_raw(state), cost, Instant::from_nanos(now));
            opens = match &step.outcome {
                Err(rejected) => match rejected.retry() {
                    RetryAt::At(at) => Some(at.as_nanos()),
                    _ => None,
                },
                Ok(_) => None,
            };
            match (&step.outcome, &step.store) {
                (Ok(_), _) => admitted += 1,
                (Err(_), None) => refused += 1,
                (Err(_), Some(_)) => reanchored += 1,
            }
            state = step.store.map_or(state, BucketState::into_raw);
            expected.push((asked, state));
        }
        let answer: Vec<u8> = redis::cmd("EVAL")
            .arg(DECIDE)
            .arg(0)
            .arg(named.map(u64::to_be_bytes).concat())
            .arg(questions)
            .query(&mut connection)
            .unwrap();
        assert_eq!(answer.len(), expected.len() * 8);
        for (found, (asked, after)) in answer.chunks(8).zip(expected) {
            let found = u64::from_be_bytes(found.try_into().unwrap());
            assert_eq!(found, after, "{bucket:?}: [state, cost, now] = {asked:?}");
        }
    }
    println!(
        "{admitted} admitted, {refused} refused, {reanchored} of which the clock stepped back"
    );
    assert!(admitted > 5_000 && refused > 5_000 && reanchored > 1_000);
}
