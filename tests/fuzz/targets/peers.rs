//! The table of peers, of which there are more than it has room for.
#![no_main]

use arbitrary::{Arbitrary, Result, Unstructured};
use fuzz::{History, many};
use libfuzzer_sys::fuzz_target;
use resil_tests::laws::limits::OfPeers;
use resil_tests::laws::peers::{
    Op, a_residents_state_never_changes_because_of_others, peek_tells_what_check_does,
};

#[derive(Debug, Arbitrary)]
enum Input {
    Any(History),
    Resident(Ops, bool),
    Peek(Ops, bool),
}

#[derive(Debug)]
struct Ops(Vec<Op>);

impl<'a> Arbitrary<'a> for Ops {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        many(u, |u| {
            Ok(match u.int_in_range(0..=9)? {
                0 | 1 => Op::Step(u.int_in_range(0..=250_000_000)?),
                2..=5 => Op::Check(u.int_in_range(0..=59)?, u.int_in_range(0..=3)?),
                6 => Op::Refund(u.int_in_range(0..=5)?),
                7 => Op::Reset(u.int_in_range(0..=59)?),
                8 => Op::Pin(u.int_in_range(0..=59)?, u.int_in_range(1..=8)?),
                _ => Op::Unpin(u.int_in_range(0..=59)?),
            })
        })
        .map(Self)
    }
}

fuzz_target!(|input: Input| {
    match input {
        Input::Any(history) => history.hold(&OfPeers),
        Input::Resident(Ops(ops), refuse) => {
            a_residents_state_never_changes_because_of_others(&ops, refuse);
        }
        Input::Peek(Ops(ops), refuse) => peek_tells_what_check_does(&ops, refuse),
    }
});
