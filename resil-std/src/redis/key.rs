//! Where the bucket of a peer lies.

use resil_core::rate_limit::RateLimitConfig;
use sha2::{Digest, Sha256};

/// The longest id that is part of its key as it is; ids of 32 bytes in hexadecimal are.
const LONGEST: usize = 64;

/// Names keys `prefix:requests/window/burst:id`.
///
/// The quota is in the name because a state means something to its own bucket only: nodes that were
/// given different ones count apart, and never misread each other.
pub(super) struct Keys {
    stem: Box<[u8]>,
}

impl Keys {
    pub(super) fn new(prefix: &str, quota: &RateLimitConfig) -> Self {
        let (requests, burst) = (quota.max_requests(), quota.burst_size());
        let window = quota.time_window().as_nanos();
        let stem = format!("{prefix}:{requests}/{window}ns/{burst}:");
        Self { stem: stem.into_bytes().into() }
    }

    /// The key of `id`: of bounded length, and no other id's.
    pub(super) fn key(&self, id: &[u8]) -> Vec<u8> {
        if id.len() <= LONGEST {
            [&self.stem[..], b"=", id].concat()
        } else {
            [&self.stem[..], b"#", &Sha256::digest(id)[..]].concat()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_ids_and_no_two_quotas_share_a_key() {
        let keys = Keys::new("here", &RateLimitConfig::DEFAULT);
        assert_eq!(keys.key(b"peer-7"), b"here:100/60000000000ns/10:=peer-7");
        let long = [b'x'; 65];
        let hashed = Sha256::digest(long);
        let as_is = keys.key(&long[..64]);
        assert!(as_is.ends_with(&long[..64]));
        assert_ne!(keys.key(&long), keys.key(&hashed), "an id that is another's digest");
        assert_ne!(keys.key(&long), keys.key(&[b'x'; 66]));
        assert!(keys.key(&[0; 10_000]).len() < as_is.len());
        let smaller = RateLimitConfig::builder().burst_size(9).build().unwrap();
        assert_ne!(Keys::new("here", &smaller).key(b"a"), keys.key(b"a"));
    }
}
