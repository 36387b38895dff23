//! Adaptive concurrency: how many calls may run at once, found out while they run.
