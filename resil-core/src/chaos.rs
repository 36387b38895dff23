//! Faults to order, as values.
