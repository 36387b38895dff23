//! The shared health checker under embassy's mock time.

mod mock_time;

use core::cell::Cell;
use core::future::pending;
use core::pin::pin;
use core::time::Duration;
use embassy_futures::yield_now;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_time::Timer;
use mock_time::{advance, at_zero, drop_after, poll_once, run};
use resil_embassy::core::health::{
    CheckConfig, CheckStatus, Groups, HealthCheckResult, HealthStatus, Probe, RegisterError,
    UnknownCheck,
};
use resil_embassy::core::{Clock, Instant, valid};
use resil_embassy::health::Check;
use resil_embassy::{EmbassyClock, HealthChecker};

const STEP: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const TTL: CheckConfig = valid!(CheckConfig::builder(Duration::from_secs(10)).build());
const THREE_IN_A_ROW: CheckConfig =
    valid!(CheckConfig::builder(Duration::from_secs(10)).fall(3).build());
const READINESS: CheckConfig =
    valid!(CheckConfig::builder(Duration::from_secs(10)).groups(Groups::READINESS).build());

const HEALTHY: CheckStatus = CheckStatus::Known(HealthStatus::Healthy);
const UNHEALTHY: CheckStatus = CheckStatus::Known(HealthStatus::Unhealthy);

type Checker = HealthChecker<CriticalSectionRawMutex, 4>;

fn at(seconds: u64) -> Instant {
    Instant::from_duration(Duration::from_secs(seconds))
}

fn message(checker: &Checker, name: &str) -> String {
    checker.report(|report| {
        report.checks().find(|check| *check.name() == name).unwrap().message().to_string()
    })
}

#[test]
fn the_three_kinds_of_check_add_up_to_the_worst() {
    static HEALTH: Checker = HealthChecker::new();
    let _turn = at_zero();
    assert_eq!(HEALTH.status(Probe::Overall), HealthStatus::Healthy, "no checks");
    let asked = Cell::new(0);
    let mut radio = HEALTH
        .register_check("radio", TTL, async || {
            yield_now().await;
            asked.set(asked.get() + 1);
            HealthCheckResult::degraded("3 of 5 peers").with_detail("peer_count", 3_u32)
        })
        .unwrap();
    let mut flash = HEALTH.register_sync("flash", TTL, || Ok::<_, &str>(())).unwrap();
    let mut link = HEALTH.register_bool("link", TTL, || true).unwrap();
    assert_eq!(HEALTH.status(Probe::Readiness), HealthStatus::Unhealthy, "nobody knows yet");
    let all = (&mut radio, &mut flash, &mut link);
    assert_eq!(run(HEALTH.get_overall_health(all), STEP), HealthStatus::Degraded);
    assert_eq!(asked.get(), 1);
    HEALTH.report(|report| {
        assert_eq!(report.to_string(), "DEGRADED (radio=DEGRADED, flash=HEALTHY, link=HEALTHY)");
        let radio = report.causes().next().unwrap();
        assert_eq!(radio.message().as_str(), "3 of 5 peers");
        assert_eq!(radio.details().unwrap().to_string(), "peer_count=3");
    });
    assert_eq!(HEALTH.check(flash.id()), Ok(HEALTHY));
    assert_eq!(flash.name(), "flash");
}

#[test]
fn a_check_that_errs_is_unhealthy_with_the_reason() {
    let _turn = at_zero();
    let checker = Checker::new();
    let mut flash = checker.register_sync("flash", TTL, || Err::<(), _>("write failed")).unwrap();
    assert_eq!(run(flash.run(), STEP), Ok(UNHEALTHY));
    assert_eq!(message(&checker, "flash"), "write failed");
}

#[test]
fn a_hung_check_times_out_and_holds_up_no_other_pitfall_114() {
    let _turn = at_zero();
    let checker = Checker::new();
    let hung = Check::new("hung", TTL, async || pending::<bool>().await).timeout(2 * SECOND);
    let mut hung = checker.register(hung).unwrap();
    let mut quick = checker.register_bool("quick", TTL, || true).unwrap();
    let mut slow = checker
        .register_check("slow", TTL, async || {
            Timer::after_secs(1).await;
            true
        })
        .unwrap();
    let ids = [quick.id(), slow.id(), hung.id()];
    let seen = || ids.map(|id| checker.check(id).unwrap());
    let mut all = pin!(checker.get_overall_health((&mut hung, &mut quick, &mut slow)));
    assert!(poll_once(all.as_mut()).is_pending());
    assert_eq!(seen(), [HEALTHY, CheckStatus::Unknown, CheckStatus::Unknown]);
    advance(SECOND);
    assert!(poll_once(all.as_mut()).is_pending());
    assert_eq!(seen(), [HEALTHY, HEALTHY, CheckStatus::Unknown]);
    advance(SECOND);
    assert!(poll_once(all.as_mut()).is_ready());
    assert_eq!(seen(), [HEALTHY, HEALTHY, UNHEALTHY]);
    assert_eq!(message(&checker, "hung"), "no answer within 2s");
}

#[test]
fn an_answer_at_the_last_moment_counts() {
    let _turn = at_zero();
    let checker = Checker::new();
    let check = Check::new("slow", TTL, async || {
        Timer::after_secs(2).await;
        true
    });
    let mut slow = checker.register(check.timeout(2 * SECOND)).unwrap();
    assert_eq!(run(slow.run(), SECOND), Ok(HEALTHY));
}

#[test]
fn a_result_that_is_too_old_is_unknown_and_never_healthy_pitfall_113() {
    let _turn = at_zero();
    let checker = Checker::new();
    let mut link = checker.register_bool("link", TTL, || true).unwrap();
    assert_eq!(run(link.run(), STEP), Ok(HEALTHY));
    drop(link);
    advance(Duration::from_micros(9_999_999));
    assert_eq!(checker.status(Probe::Readiness), HealthStatus::Healthy);
    assert!(checker.may_feed().is_ok());
    advance(Duration::from_micros(1));
    assert_eq!(checker.status(Probe::Readiness), HealthStatus::Unhealthy);
    assert_eq!(checker.status(Probe::Overall), HealthStatus::Degraded);
    assert!(checker.may_feed().is_err(), "its task has died");
    assert_eq!(message(&checker, "link"), "no fresh result");
}

#[test]
fn whom_a_check_counts_for_is_asked_of_core() {
    let _turn = at_zero();
    let checker = Checker::new();
    let mut gateway = checker.register_bool("gateway", READINESS, || false).unwrap();
    assert_eq!(run(gateway.run(), STEP), Ok(UNHEALTHY));
    let status = |probe| checker.status(probe);
    assert_eq!(status(Probe::Overall), HealthStatus::Unhealthy);
    assert_eq!(status(Probe::Readiness), HealthStatus::Unhealthy);
    assert_eq!(status(Probe::Liveness), HealthStatus::Healthy);
    assert_eq!(status(Probe::Startup), HealthStatus::Healthy);
    assert!(checker.may_feed().is_ok());
}

#[test]
fn it_takes_as_many_results_in_a_row_as_the_check_says_pitfall_115() {
    let _turn = at_zero();
    let checker = Checker::new();
    let is_up = Cell::new(true);
    let mut broker = checker.register_bool("broker", THREE_IN_A_ROW, || is_up.get()).unwrap();
    run(broker.run(), STEP).unwrap();
    is_up.set(false);
    let statuses = [(); 3].map(|()| run(broker.run(), STEP).unwrap());
    assert_eq!(statuses, [HEALTHY, HEALTHY, UNHEALTHY]);
}

#[test]
fn whoever_knows_tells_a_check_that_nobody_runs() {
    let _turn = at_zero();
    let checker = Checker::new();
    let peers = checker.register(Check::told("peers", TTL)).unwrap();
    assert_eq!(peers.record(true), Ok(HEALTHY));
    assert_eq!(checker.record(peers.id(), Err::<(), _>("all silent")), Ok(UNHEALTHY));
    assert_eq!(message(&checker, "peers"), "all silent");
}

#[test]
fn a_check_that_was_not_registered_changes_nothing() {
    let _turn = at_zero();
    let checker = Checker::new();
    let kept = [0, 1, 2, 3].map(|at| {
        let names = ["a", "b", "c", "d"];
        checker.register_bool(names[at], TTL, || true).unwrap()
    });
    let same = checker.register_bool("a", TTL, || true).unwrap_err();
    assert_eq!(same, RegisterError::DuplicateName);
    let full = checker.register_bool("e", TTL, || true).unwrap_err();
    assert_eq!(full, RegisterError::Full { capacity: 4 });
    let at_once = Check::sync("f", TTL, || true).timeout(Duration::ZERO);
    let Err(RegisterError::Invalid(setting)) = checker.register(at_once) else {
        panic!("no check answers in no time")
    };
    assert_eq!(setting.setting(), "timeout");
    assert_eq!(checker.report(|report| report.checks().count()), 4);
    assert_eq!(checker.unregister(kept[3].id()), Ok(()));
    assert!(checker.register_bool("e", TTL, || true).is_ok());
}

#[test]
fn a_check_that_was_taken_out_has_nobody_to_tell_pitfall_32() {
    let _turn = at_zero();
    let checker = Checker::new();
    let mut old = checker
        .register_check("radio", TTL, async || {
            yield_now().await;
            false
        })
        .unwrap();
    let id = old.id();
    let mut going = pin!(old.run());
    assert!(poll_once(going.as_mut()).is_pending());
    checker.unregister(id).unwrap();
    let young = checker.register(Check::told("radio", TTL)).unwrap();
    young.record(true).unwrap();
    assert_eq!(run(going, STEP), Err(UnknownCheck));
    assert_eq!(checker.check(young.id()), Ok(HEALTHY), "whoever has the slot now");
    assert_eq!(checker.unregister(id), Err(UnknownCheck));
}

#[test]
fn causes_and_maintenance_are_those_of_core() {
    let _turn = at_zero();
    let checker = Checker::new();
    let radio = checker.register(Check::told("radio", TTL)).unwrap();
    let peers = checker.register(Check::told("peers", TTL)).unwrap();
    checker.depend(peers.id(), radio.id()).unwrap();
    radio.record(false).unwrap();
    peers.record(false).unwrap();
    let causes =
        || checker.report(|report| report.causes().map(|check| *check.name()).collect::<Vec<_>>());
    assert_eq!(causes(), ["radio"]);
    checker.begin_maintenance(radio.id()).unwrap();
    assert_eq!(checker.check(radio.id()), Ok(CheckStatus::Maintenance));
    checker.end_maintenance(radio.id()).unwrap();
    assert_eq!(checker.check(radio.id()), Ok(UNHEALTHY));
    radio.record(true).unwrap();
    peers.record(true).unwrap();
    checker.set_node_maintenance(true);
    assert_eq!(checker.status(Probe::Overall), HealthStatus::Degraded);
}

#[test]
fn uptime_counts_from_the_boot() {
    let _turn = at_zero();
    advance(SECOND);
    let checker = Checker::new();
    advance(SECOND);
    assert_eq!(checker.uptime(), 2 * SECOND);
}

#[test]
fn a_check_may_use_the_checker_that_runs_it_pitfall_108() {
    let _turn = at_zero();
    let checker = Checker::new();
    let told = checker.register(Check::told("told", TTL)).unwrap();
    let mut asks = checker
        .register_sync("asks", TTL, || {
            told.record(true).unwrap();
            checker.report(|report| report.checks().count() == 2)
        })
        .unwrap();
    assert_eq!(run(asks.run(), STEP), Ok(HEALTHY));
}

#[test]
fn dropped_after_any_number_of_polls_a_run_leaves_nothing_behind() {
    /// In use for as long as it is there.
    struct Bus<'a>(&'a Cell<usize>);
    impl<'a> Bus<'a> {
        fn take(users: &'a Cell<usize>) -> Self {
            users.set(users.get() + 1);
            Self(users)
        }
    }
    impl Drop for Bus<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() - 1);
        }
    }
    let _turn = at_zero();
    let (checker, users) = (Checker::new(), Cell::new(0));
    let check = async || {
        let _bus = Bus::take(&users);
        yield_now().await;
        Timer::after_millis(2).await;
        yield_now().await;
        true
    };
    let mut first = checker.register_check("first", TTL, check).unwrap();
    let mut second = checker.register_check("second", TTL, check).unwrap();
    let hung = Check::new("hung", TTL, async || {
        let _bus = Bus::take(&users);
        pending::<bool>().await
    });
    let mut hung = checker.register(hung.timeout(Duration::from_millis(6))).unwrap();
    let ids = [first.id(), second.id(), hung.id()];
    let mut polls = 0;
    loop {
        let before = ids.map(|id| checker.check(id).unwrap());
        let all = checker.get_overall_health((&mut first, &mut second, &mut hung));
        let done = drop_after(polls, all, STEP);
        assert_eq!(users.get(), 0, "after {polls} polls");
        let after = ids.map(|id| checker.check(id).unwrap());
        if done.is_some() {
            assert_eq!(after, [HEALTHY, HEALTHY, UNHEALTHY]);
            break;
        }
        assert_eq!(after[2], CheckStatus::Unknown, "nothing was found after {polls} polls");
        assert!(polls > 3 || after == before, "after {polls} polls");
        polls += 1;
    }
    assert_eq!(polls, 7, "once for each of 6 ms, and at the end");
    assert_eq!(checker.report(|report| report.checks().count()), 3);
}

#[test]
fn an_array_of_checks_runs_together_and_each_has_its_deadline() {
    let _turn = at_zero();
    let checker = Checker::new();
    assert_eq!(checker.next_deadline(), None);
    let after = |seconds| {
        async move || {
            Timer::after_secs(seconds).await;
            true
        }
    };
    let mut both = [("quick", 1), ("slow", 3)]
        .map(|(name, seconds)| checker.register_check(name, TTL, after(seconds)).unwrap());
    let ids = [both[0].id(), both[1].id()];
    assert_eq!(run(checker.get_overall_health(both.each_mut()), STEP), HealthStatus::Healthy);
    assert_eq!(EmbassyClock.now(), at(3), "not one after the other");
    assert_eq!(ids.map(|id| checker.check(id)), [Ok(HEALTHY); 2]);
    assert_eq!(checker.next_deadline(), Some(at(11)), "the older result's time to live");
}
