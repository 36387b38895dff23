//! Circuit breakers with every window, and the rule that ejects peers.

use super::every_law;
use resil_tests::laws::breakers::{FAILURES_IN_A_ROW, OF_A_SECOND, OF_TEN_CALLS, OfEjection};

every_law! {
    failures_in_a_row: FAILURES_IN_A_ROW;
    count_window: OF_TEN_CALLS;
    time_window: OF_A_SECOND;
    ejection: OfEjection;
}
