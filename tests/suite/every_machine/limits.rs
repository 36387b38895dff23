//! Every rate limit, and the table of peers.

use super::every_law;
use resil_tests::laws::limits::{
    ALL_OF, EXACT_LOG, OfPeers, PER_REQUEST, STRICT_BUCKET, SUB_WINDOWS, TOKEN_BUCKET, WARM_UP,
};

every_law! {
    token_bucket: TOKEN_BUCKET;
    strict_bucket: STRICT_BUCKET;
    sub_windows: SUB_WINDOWS;
    exact_log: EXACT_LOG;
    warm_up: WARM_UP;
    per_request: PER_REQUEST;
    all_of: ALL_OF;
    table_of_peers: OfPeers;
}
