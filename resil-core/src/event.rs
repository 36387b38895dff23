//! What happened, as values of a fixed size.
