//! Hedging: a second attempt while the first is still out.
