//! The composed call.
