//! Values that are worse than the real one, and say so.
