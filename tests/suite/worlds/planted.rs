//! That a search finds what is wrong: each of these machines has one defect, and a law is broken by it.

use super::search::{Broken, World, explore};
use super::{
    aimd, breaker, bucket, bulkhead, call, ejection, gradient, health, heartbeat, queue, retry,
    throttle,
};

/// The law that a defect breaks, on a way of at most so many inputs.
fn finds<W: World>(world: &W, depth: usize, law: &str) {
    match explore(world, depth) {
        Err(broken) => is_by(&broken, law, depth),
        Ok(explored) => panic!("not found in {} states", explored.states),
    }
}

fn is_by(broken: &Broken, law: &str, depth: usize) {
    assert_eq!(broken.law, law, "{broken:?}");
    assert!((1..=depth).contains(&broken.steps()), "{broken:?}");
}

#[test]
fn a_breaker_with_a_defect_is_found() {
    use breaker::{Breaker, IN_A_ROW, Planted};
    for (planted, law) in [
        (Planted::LeakedProbe, "probes_in_flight_are_the_permits_handed_out"),
        (Planted::StaleSuccessCloses, "transitions_form_a_chain"),
        (Planted::Stampede, "at_most_probes_permits_are_out_while_half_open"),
        (Planted::LocalFailureCounts, "every_outcome_is_weighed_as_documented"),
        (Planted::AdmitsEarly, "transitions_form_a_chain"),
        (Planted::SuccessKeepsTheRow, "the_failures_in_a_row_are_those_counted"),
    ] {
        finds(&Breaker::new(&IN_A_ROW, 3, 0).with(planted), 12, law);
    }
}

#[test]
fn an_ejection_with_a_defect_is_found() {
    use ejection::{Peers, Planted};
    for (planted, law) in [
        (Planted::NoLimit, "no_ruling_ejects_more_than_the_share"),
        (Planted::OwnFaultEjects, "own_fault_ejects_nobody"),
        (Planted::NeverReadmits, "ejected_is_who_has_an_open_breaker"),
    ] {
        finds(&Peers::new(0, Some(planted)), 6, law);
    }
}

#[test]
fn a_bulkhead_with_a_defect_is_found() {
    use bulkhead::{Bulkhead, Planted};
    for (planted, law) in [
        (Planted::LeakedPermit, "held_are_the_permits_handed_out"),
        (Planted::StaleGivesBack, "a_permit_settles_once"),
        (Planted::ReserveIgnored, "an_admission_stays_within_what_its_priority_may_fill"),
    ] {
        finds(&Bulkhead::new(Some(planted)), 4, law);
    }
}

#[test]
fn a_queue_with_a_defect_is_found() {
    use queue::{Planted, Queue};
    for (planted, law) in [
        (Planted::LeavingLeaks, "held_are_the_permits_handed_out"),
        (Planted::Overtakes, "nobody_overtakes"),
        (Planted::StandsStill, "after_letting_in_nobody_waits_for_whom_there_is_room"),
    ] {
        finds(&Queue::new(Some(planted)), 6, law);
    }
}

#[test]
fn an_adaptive_limit_with_a_defect_is_found() {
    use aimd::{Adaptive, Planted};
    for (planted, law) in [
        (Planted::LeakedPermit, "in_flight_are_the_permits_handed_out"),
        (Planted::GrowsIdle, "what_says_nothing_moves_nothing"),
        (Planted::EveryLossCuts, "what_says_nothing_moves_nothing"),
    ] {
        finds(&Adaptive::new(0, Some(planted)), 8, law);
    }
}

#[test]
fn a_limit_that_follows_latency_with_a_defect_is_found() {
    use gradient::{Adaptive, Planted};
    for (planted, law) in [
        (Planted::LeakedPermit, "in_flight_are_the_permits_handed_out"),
        (Planted::StaleEnds, "what_is_stale_changes_nothing"),
        (Planted::ForgetsWhoIsOut, "in_flight_are_the_permits_handed_out"),
    ] {
        finds(&Adaptive::new(0, Some(planted)), 8, law);
    }
}

#[test]
fn a_registry_with_a_defect_is_found() {
    use health::{Health, Planted};
    for (planted, law) in [
        (Planted::NoHysteresis, "a_status_is_what_the_results_in_a_row_say"),
        (Planted::TrustsTheOld, "the_answer_is_the_worst_that_counts_for_who_asks"),
        (Planted::AddressesTheNext, "a_status_is_what_the_results_in_a_row_say"),
    ] {
        finds(&Health::new(0, Some(planted)), 6, law);
    }
}

#[test]
fn a_peer_that_sends_heartbeats_with_a_defect_is_found() {
    use heartbeat::{Peer, Planted};
    for (planted, law) in [
        (Planted::LearnsOutages, "an_outage_is_not_learned"),
        (Planted::HearsTwice, "what_came_before_is_stale_and_changes_nothing"),
        (Planted::NeverResumes, "to_resume_gives_it_time"),
    ] {
        finds(&Peer::new(0, Some(planted)), 6, law);
    }
}

#[test]
fn a_throttle_with_a_defect_is_found() {
    use throttle::{Planted, Throttle};
    for (planted, law) in [
        (Planted::RefusalIsForgotten, "counted_is_what_lies_in_the_window"),
        (Planted::LocalIsTheirs, "counted_is_what_lies_in_the_window"),
        (Planted::PassesTheLast, "refused_is_exactly_what_falls_below_the_share"),
    ] {
        finds(&Throttle::new(3, 0, Some(planted)), 6, law);
    }
}

#[test]
fn a_retry_with_a_defect_is_found() {
    use retry::{Planted, Retry};
    for (planted, law) in [
        (Planted::RefusalBurnsAnAttempt, "own_refusals_burn_no_attempt"),
        (Planted::HintIsTrusted, "a_wait_is_backoff_or_a_hint_that_is_clamped"),
        (Planted::SleepsPastTheDeadline, "every_end_has_its_documented_reason"),
    ] {
        finds(&Retry::new(0, Some(planted)), 8, law);
    }
}

#[test]
fn a_bucket_with_a_defect_is_found() {
    use bucket::{Bucket, Planted, THREE};
    for (planted, has_refunds, reach, law) in [
        (Planted::RefillBeginsAnew, false, 0, "no_interval_sees_more_than_burst_and_rate"),
        (Planted::RefundsTwice, true, 0, "no_interval_sees_more_than_burst_and_rate"),
        (Planted::AdmitsEarly, false, 0, "decides_as_the_exact_fraction_does"),
        (Planted::RefusalCosts, false, 0, "a_refusal_changes_nothing"),
        (Planted::StepBackFills, false, 7, "decides_as_the_exact_fraction_does"),
    ] {
        finds(&Bucket::new(&THREE, (1, 3), has_refunds, reach, Some(planted)), 8, law);
    }
}

#[test]
fn calls_with_a_defect_are_found() {
    use call::{Calls, Planted, TWICE};
    for (planted, law) in [
        (Planted::RefusalKeepsTheProbe, "at_most_probes_permits_are_out_while_half_open"),
        (Planted::AbandonedIsKept, "in_flight_are_the_permits_handed_out"),
        (Planted::NoBulkhead, "in_flight_are_the_permits_handed_out"),
    ] {
        finds(&Calls::new(&TWICE, None, 2, 0, Some(planted)), 8, law);
    }
    let limited = Calls::new(&TWICE, None, 2, 0, Some(Planted::RefusalKeepsTheToken)).limited();
    finds(&limited, 8, "an_attempt_takes_a_token_and_a_refusal_none");
}
