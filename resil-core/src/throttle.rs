//! Adaptive throttling: a client that sees refusals asks less.
