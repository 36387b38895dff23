//! Deadlines: absolute inside, remaining on the wire.
