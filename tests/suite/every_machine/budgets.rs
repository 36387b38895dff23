//! What bounds a call: budgets, hedging, deadlines; and the partition that tests it.

use super::every_law;
use resil_tests::laws::budgets::{OfDeadline, OfHedge, OfPartition, RATIO_BUDGET, TOKEN_BUDGET};

every_law! {
    token_budget: TOKEN_BUDGET;
    ratio_budget: RATIO_BUDGET;
    hedge: OfHedge;
    deadline: OfDeadline;
    partition: OfPartition;
}
