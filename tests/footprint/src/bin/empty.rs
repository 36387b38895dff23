//! What every firmware has: vectors and start-up.
#![no_std]
#![no_main]

use core::hint::black_box;

footprint::firmware!(
    || {
        black_box((footprint::any_now(), footprint::any_entropy()));
    },
    |bench| bench.case("nothing", || ())
);
