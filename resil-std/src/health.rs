//! How is this node?
//!
