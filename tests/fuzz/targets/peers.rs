//! The table of peers, of which there are more than it has room for.
#![no_main]

use fuzz::History;
use libfuzzer_sys::fuzz_target;
use resil_tests::laws::limits::OfPeers;

fuzz_target!(|history: History| history.hold(&OfPeers));
