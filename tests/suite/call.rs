//! The composed call: its order, its laws, and a model of it.

mod bench;
mod composed;
mod corners;
mod first;
mod laws;
mod model;
mod order;
mod peers;
mod pipeline;
mod spec;
