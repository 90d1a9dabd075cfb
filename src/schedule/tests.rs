//! Runs computed around changes of clocks, and the service with time that tests move.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn runs(timing: &Timing, after: &str, n: usize) -> Vec<String> {
    let mut last = at(after);
    let mut runs = Vec::new();
    for _ in 0..n {
        last = timing.next_after(last).unwrap();
        runs.push(last.to_string());
    }
    runs
}

#[test]
fn cron_runs_follow_the_zone_over_changes_of_its_clocks() {
    let cases: [(&str, &str, &str, &[&str]); 10] = [
        ("0 3 * * *", "UTC", "2026-01-01T00:00:00Z", &["2026-01-01T03:00:00Z", "2026-01-02T03:00:00Z"]),
        // The same local hour before and after the change of 29 March.
        (
            "0 3 * * *",
            "Europe/Berlin",
            "2026-03-28T00:00:00Z",
            &["2026-03-28T02:00:00Z", "2026-03-29T01:00:00Z", "2026-03-30T01:00:00Z"],
        ),
        // 02:30 does not exist on 29 March: the first moment after the gap.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00:00Z",
            &["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
        ),
        // 02:30 exists twice on 25 October: once.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T12:00:00Z",
            &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
        ),
        // Each hour has its run, also the one that comes twice.
        (
            "0 * * * *",
            "Europe/Berlin",
            "2026-10-24T23:30:00Z",
            &["2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"],
        ),
        (
            "0 * * * *",
            "Europe/Berlin",
            "2026-03-28T23:30:00Z",
            &["2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"],
        ),
        // A change by half an hour.
        (
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-03T00:00:00Z",
            &["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"],
        ),
        // A day that was left out altogether.
        (
            "0 12 30 12 *",
            "Pacific/Apia",
            "2011-12-01T00:00:00Z",
            &["2011-12-30T10:00:00Z", "2012-12-29T22:00:00Z"],
        ),
        (
            "@daily",
            "America/New_York",
            "2026-03-08T00:00:00Z",
            &["2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"],
        ),
        ("0 0 29 2 *", "UTC", "2025-01-01T00:00:00Z", &["2028-02-29T00:00:00Z"]),
    ];
    for (cron, zone, after, expected) in cases {
        let timing = Timing::cron(cron, zone).unwrap();
        assert_eq!(runs(&timing, after, expected.len()), expected, "{cron} in {zone} after {after}");
    }
}

#[test]
fn every_run_is_after_the_one_before_in_every_hour_of_a_year() {
    for (cron, zone) in
        [("*/20 * * * *", "Europe/Berlin"), ("30 2 * * *", "America/Santiago"), ("5 0 * * 1", "Africa/Cairo")]
    {
        let timing = Timing::cron(cron, zone).unwrap();
        for hour in 0..24 * 366 {
            let after = at("2026-01-01T00:00:00Z") + jiff::SignedDuration::from_mins(hour * 60 + 7);
            let next = timing.next_after(after).unwrap();
            assert!(next > after, "{cron} in {zone} after {after}: {next}");
            let again = timing.next_after(next).unwrap();
            assert!(again > next, "{cron} in {zone} after {next}: {again}");
        }
    }
}

#[test]
fn intervals_lie_on_a_grid_that_restarts_do_not_move() {
    let timing = Timing::every(Duration::from_mins(15)).unwrap();
    assert_eq!(
        runs(&timing, "2026-05-01T10:07:03.5Z", 3),
        ["2026-05-01T10:15:00Z", "2026-05-01T10:30:00Z", "2026-05-01T10:45:00Z"]
    );
    assert_eq!(runs(&timing, "2026-05-01T10:15:00Z", 1), ["2026-05-01T10:30:00Z"]);
    assert_eq!(timing.gap_after(Timestamp::UNIX_EPOCH), Some(Duration::from_mins(15)));
}

#[test]
fn what_is_no_timing_is_told() {
    let every = |secs| Timing::every(Duration::from_secs_f64(secs)).unwrap_err();
    assert_eq!(every(9.0), TimingError::TooOften);
    assert_eq!(every(10.5), TimingError::NotAnInterval);
    assert_eq!(every(400.0 * 86400.0), TimingError::NotAnInterval);
    let cron = |text, zone| Timing::cron(text, zone).unwrap_err();
    assert!(matches!(cron("", "UTC"), TimingError::NotCron { .. }));
    assert!(matches!(cron("* * * * * *", "UTC"), TimingError::NotCron { .. }));
    assert!(matches!(cron("60 * * * *", "UTC"), TimingError::NotCron { .. }));
    assert!(matches!(cron("@sometimes", "UTC"), TimingError::NotCron { .. }));
    assert_eq!(cron("0 0 31 4 *", "UTC"), TimingError::Never("0 0 31 4 *".into()));
    assert_eq!(cron("0 0 * * *", "Berlin"), TimingError::NotAZone("Berlin".into()));
}

fn schedule(name: &str, every_s: u64, jitter_s: u64, concurrency: Concurrency) -> Schedule {
    let timing = Timing::every(Duration::from_secs(every_s)).unwrap();
    Schedule { name: name.into(), timing, jitter: Duration::from_secs(jitter_s), concurrency }
}

#[test]
fn jitter_is_the_same_each_time_and_stays_in_its_bound() {
    let one = schedule("default", 900, 30, Concurrency::Skip);
    assert_eq!(one.delay("cluster-a"), one.delay("cluster-a"));
    let delays: Vec<u64> = (0..200).map(|n| one.delay(&format!("cluster-{n}")).as_secs()).collect();
    assert!(delays.iter().all(|delay| *delay <= 30));
    assert!(delays.contains(&0) && delays.contains(&30), "{delays:?}");
    assert_eq!(schedule("default", 900, 0, Concurrency::Skip).delay("x"), Duration::ZERO);
    let start = at("2026-05-01T10:07:00Z");
    let (first, delay) = (one.next_after(start, "a").unwrap(), one.delay("a"));
    assert_eq!(first, at("2026-05-01T10:15:00Z") + delay);
    assert_eq!(one.next_after(first, "a").unwrap(), at("2026-05-01T10:30:00Z") + delay);
}

#[test]
fn a_run_is_missed_only_if_its_time_came() {
    let one = schedule("default", 900, 0, Concurrency::Skip);
    let last = at("2026-05-01T10:00:02Z");
    assert!(!one.was_missed(last, at("2026-05-01T10:14:59Z"), "a"));
    assert!(one.was_missed(last, at("2026-05-01T10:15:00Z"), "a"));
}

/// Time as the paused runtime counts it.
#[derive(Debug)]
struct TestClock {
    start: Timestamp,
    since: Instant,
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.start + self.since.elapsed()
    }
}

/// A trigger that wakes in time, early, or never.
#[derive(Debug)]
enum TestTrigger {
    Exact,
    EarlyBy(Duration),
    Dead,
}

impl Trigger for TestTrigger {
    fn wake_in(&mut self, delay: Duration) -> BoxFuture<'_, ()> {
        match self {
            Self::Exact => Box::pin(tokio::time::sleep(delay)),
            Self::EarlyBy(early) => Box::pin(tokio::time::sleep(delay.saturating_sub(*early))),
            Self::Dead => Box::pin(std::future::pending()),
        }
    }
}

const START: &str = "2026-05-01T10:00:30Z";

fn start(
    schedules: Vec<Schedule>,
    last: &[(&str, &str)],
    trigger: TestTrigger,
) -> (Scheduler, mpsc::Receiver<Due>, Arc<TestClock>) {
    let clock = Arc::new(TestClock { start: at(START), since: Instant::now() });
    let last: BTreeMap<String, Timestamp> =
        last.iter().map(|(name, time)| ((*name).into(), at(time))).collect();
    let shared: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
    let (service, runs) = Scheduler::start(schedules, &last, "seed", shared, Box::new(trigger));
    (service, runs, clock)
}

/// The next run: its schedule, when it was due, whether it was made up, and how late it was told.
async fn next(runs: &mut mpsc::Receiver<Due>, clock: &TestClock) -> (Due, String, u64) {
    let due = runs.recv().await.unwrap();
    let late = clock.now().duration_since(due.at).as_secs();
    let shown = format!("{} {}{}", due.schedule, due.at, if due.is_made_up { " made up" } else { "" });
    (due, shown, u64::try_from(late).unwrap())
}

#[tokio::test(start_paused = true)]
async fn runs_come_when_they_are_due() {
    let (service, mut runs, clock) = start(
        vec![schedule("a", 60, 0, Concurrency::Skip)],
        &[("a", "2026-05-01T10:00:00Z")],
        TestTrigger::Exact,
    );
    for expected in ["a 2026-05-01T10:01:00Z", "a 2026-05-01T10:02:00Z", "a 2026-05-01T10:03:00Z"] {
        let (_, shown, late) = next(&mut runs, &clock).await;
        assert_eq!((shown.as_str(), late), (expected, 0));
    }
    assert_eq!(service.counts()["a"], RunCounts { fired: 3, ..RunCounts::default() });
    assert_eq!(service.next_runs()["a"], at("2026-05-01T10:04:00Z"));
    assert_eq!(service.intervals()["a"], Duration::from_mins(1));
    service.stop().await;
    assert!(runs.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_schedule_that_never_ran_runs_at_once_and_one_that_missed_a_run_makes_it_up() {
    let schedules = vec![
        schedule("missed", 60, 0, Concurrency::Skip),
        schedule("new", 3600, 0, Concurrency::Skip),
        schedule("quiet", 3600, 0, Concurrency::Skip),
        schedule("set-back", 3600, 0, Concurrency::Skip),
    ];
    let last = [
        ("missed", "2026-05-01T08:20:10Z"),
        ("quiet", "2026-05-01T10:00:00Z"),
        ("set-back", "2027-01-01T00:00:00Z"),
    ];
    let (service, mut runs, clock) = start(schedules, &last, TestTrigger::Exact);
    let (missed, shown, _) = next(&mut runs, &clock).await;
    assert_eq!(shown, "missed 2026-05-01T08:21:00Z made up");
    let (_, shown, _) = next(&mut runs, &clock).await;
    assert_eq!(shown, "new 2026-05-01T10:00:30Z");
    drop(missed);
    let (_, shown, _) = next(&mut runs, &clock).await;
    assert_eq!(shown, "missed 2026-05-01T10:01:00Z");
    assert_eq!(service.counts()["missed"].made_up, 1);
    assert_eq!(service.counts()["quiet"].fired, 0);
    assert_eq!(service.next_runs()["set-back"], at("2026-05-01T11:00:00Z"));
}

#[tokio::test(start_paused = true)]
async fn a_busy_schedule_skips_or_queues_one() {
    for (concurrency, after, counts) in [
        (
            Concurrency::Skip,
            "a 2026-05-01T10:05:00Z",
            RunCounts { fired: 2, skipped: 3, ..RunCounts::default() },
        ),
        (
            Concurrency::Queue,
            "a 2026-05-01T10:02:00Z",
            RunCounts { fired: 2, skipped: 2, queued: 1, ..RunCounts::default() },
        ),
    ] {
        let (service, mut runs, clock) = start(
            vec![schedule("a", 60, 0, concurrency)],
            &[("a", "2026-05-01T10:00:00Z")],
            TestTrigger::Exact,
        );
        let (first, _, _) = next(&mut runs, &clock).await;
        tokio::time::sleep(Duration::from_secs(200)).await;
        assert!(runs.try_recv().is_err());
        assert_eq!(service.n_waiting(), usize::from(concurrency == Concurrency::Queue));
        drop(first);
        let (_second, shown, _) = next(&mut runs, &clock).await;
        assert_eq!(shown, after);
        assert_eq!(service.n_waiting(), 0);
        assert_eq!(service.counts()["a"], counts);
    }
}

#[tokio::test(start_paused = true)]
async fn the_watchdog_tells_what_a_dead_trigger_missed_and_counts_it() {
    let (service, mut runs, clock) = start(
        vec![schedule("a", 300, 0, Concurrency::Skip)],
        &[("a", "2026-05-01T10:00:00Z")],
        TestTrigger::Dead,
    );
    for (n, expected) in ["a 2026-05-01T10:05:00Z", "a 2026-05-01T10:10:00Z"].into_iter().enumerate() {
        let (_, shown, late) = next(&mut runs, &clock).await;
        assert_eq!(shown, expected);
        assert!((5..=6).contains(&late), "{late}");
        assert_eq!(service.counts()["a"].rescued, n as u64 + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_early_trigger_makes_no_early_run() {
    for early in [Duration::from_millis(900), Duration::from_secs(20)] {
        let (service, mut runs, clock) = start(
            vec![schedule("a", 60, 0, Concurrency::Skip)],
            &[("a", "2026-05-01T10:00:00Z")],
            TestTrigger::EarlyBy(early),
        );
        let (_, shown, late) = next(&mut runs, &clock).await;
        assert_eq!((shown.as_str(), late), ("a 2026-05-01T10:01:00Z", 0));
        assert_eq!(service.counts()["a"].rescued, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn schedules_can_be_replaced_while_they_run() {
    let last = [("a", "2026-05-01T10:00:00Z"), ("b", "2026-05-01T10:00:00Z")];
    let schedules = vec![schedule("a", 60, 0, Concurrency::Skip), schedule("b", 60, 0, Concurrency::Skip)];
    let (service, mut runs, clock) = start(schedules, &last, TestTrigger::Exact);
    let (first, shown, _) = next(&mut runs, &clock).await;
    assert_eq!(shown, "a 2026-05-01T10:01:00Z");
    service
        .replace(vec![schedule("a", 600, 0, Concurrency::Skip), schedule("c", 3600, 0, Concurrency::Skip)]);
    let (_, shown, _) = next(&mut runs, &clock).await;
    assert_eq!(shown, "b 2026-05-01T10:01:00Z", "told before");
    let (_, shown, _) = next(&mut runs, &clock).await;
    assert_eq!(shown, "c 2026-05-01T10:01:00Z");
    drop(first);
    let (_, shown, _) = next(&mut runs, &clock).await;
    assert_eq!(shown, "a 2026-05-01T10:10:00Z");
    let names: Vec<String> = service.counts().into_keys().collect();
    assert_eq!(names, ["a", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_on_demand_comes_now_or_after_the_current_one() {
    let (service, mut runs, clock) =
        start(vec![schedule("a", 3600, 0, Concurrency::Skip)], &[("a", START)], TestTrigger::Exact);
    assert!(!service.run_now("unknown"));
    assert!(service.run_now("a"));
    let (first, shown, late) = next(&mut runs, &clock).await;
    assert_eq!((shown.as_str(), late), ("a 2026-05-01T10:00:30Z", 0));
    assert!(service.run_now("a"));
    assert!(runs.try_recv().is_err());
    drop(first);
    let (_, shown, _) = next(&mut runs, &clock).await;
    assert_eq!(shown, "a 2026-05-01T10:00:30Z");
}

#[tokio::test]
async fn the_real_trigger_wakes_after_its_delay() {
    let mut trigger = CronTrigger::start().await.unwrap();
    // A wish that is taken back leaves the next one alone.
    let far = tokio::time::timeout(Duration::from_millis(20), trigger.wake_in(Duration::from_hours(1))).await;
    assert!(far.is_err());
    for _ in 0..2 {
        let woken =
            tokio::time::timeout(Duration::from_secs(30), trigger.wake_in(Duration::from_millis(900))).await;
        assert!(woken.is_ok());
    }
    trigger.shut_down().await;
}
