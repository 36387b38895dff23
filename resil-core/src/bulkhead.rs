//! Bulkheads: how many calls may run at once.
