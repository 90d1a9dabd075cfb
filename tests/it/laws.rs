//! The laws that every change must keep, over generated worlds.
//!
//! | Law | Statement |
//! |---|---|
//! | 1 | Incremental equals from scratch (timestamps apart), after any sequence of changes, restarts, crashes and faults. |
//! | 2 | Planning twice without a change: the second plan is empty, nothing is evaluated or written. |
//! | 3 | An evaluation happens only if something that its verdict read has changed (counted, not assumed). |
//! | 4 | A resource, policy, match or label that is gone takes its results with it in the same scan. |
//! | 5 | A crash at any point of a scan: the next one converges, and no report is lost or doubled. |
//! | 6 | A list that failed removes nothing. |
//! | 7 | The same history of inputs and clock gives byte-identical reports. |
//!
//! A world is a handful of resources and policies in memory; a seed decides what happens to it. `PATROL_SEED=n` runs one seed, `PATROL_SEEDS=n` that
//! many.

mod cel;
mod kyverno;
mod policy;
mod random;
mod world;

use std::collections::BTreeMap;

use patrol::model::Status;
use patrol::plan::Action;
use patrol::scan::ScanOutcome;
use random::Random;
use world::World;

fn seeds(n_default: u64) -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    match number("PATROL_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("PATROL_SEEDS").unwrap_or(n_default)).collect(),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Runs `steps` of a world for every seed; a failure names the seed.
fn for_each_seed(steps: impl Fn(&tokio::runtime::Runtime, u64)) {
    for_each_seed_of(600, steps);
}

/// The same for another number of seeds, unless the environment says how many.
fn for_each_seed_of(n_default: u64, steps: impl Fn(&tokio::runtime::Runtime, u64)) {
    let runtime = runtime();
    for seed in seeds(n_default) {
        let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| steps(&runtime, seed)));
        if let Err(panic) = run {
            println!("the law broke for PATROL_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

fn evaluated(outcome: &ScanOutcome) -> u64 {
    outcome.totals.pairs.of(Action::Evaluate)
}

/// How many results have which status, as a scan tells it.
fn summary(outcome: &ScanOutcome) -> BTreeMap<String, u64> {
    let of = |status: Status| (status.as_str().to_owned(), outcome.totals.summary.of(status));
    Status::ALL.into_iter().map(of).filter(|(_, n)| *n > 0).collect()
}

/// The reports of a world as scanning it from scratch gives them, without times.
fn from_scratch(runtime: &tokio::runtime::Runtime, world: &World) -> BTreeMap<String, String> {
    let fresh = world.without_memory();
    runtime.block_on(fresh.scan());
    fresh.reports_without_times()
}

#[test]
fn incremental_equals_from_scratch_and_a_second_scan_does_nothing() {
    let mut n_evaluated = 0;
    let mut n_reused = 0;
    for_each_seed(|runtime, seed| {
        let mut random = Random::new(seed);
        let mut world = World::new(&mut random);
        for step in 0..8 {
            for _ in 0..random.below(4) {
                world.change(&mut random);
            }
            runtime.block_on(world.scan());
            assert_eq!(world.reports_without_times(), from_scratch(runtime, &world), "step {step}");
            let before = world.reports();
            let again = runtime.block_on(world.scan());
            assert_eq!(evaluated(&again), 0, "step {step}: {:?}", again.totals.pairs);
            assert_eq!((again.totals.reports.written, again.totals.reports.deleted), (0, 0), "step {step}");
            assert_eq!(world.reports(), before, "step {step}");
            assert_eq!(world.redundant_evaluations(), Vec::<String>::new(), "step {step}");
        }
    });
    // The same worlds, counted: the laws would hold trivially if nothing were ever reused.
    let runtime = runtime();
    for seed in 0..20 {
        let mut random = Random::new(seed);
        let mut world = World::new(&mut random);
        // The first scan has nothing to reuse.
        runtime.block_on(world.scan());
        for _ in 0..8 {
            world.change(&mut random);
            let outcome = runtime.block_on(world.scan());
            n_evaluated += evaluated(&outcome);
            n_reused += outcome.totals.pairs.of(Action::Reuse);
        }
    }
    assert!(n_evaluated > 200 && n_reused > 4 * n_evaluated, "{n_evaluated} evaluated, {n_reused} reused");
}

#[test]
fn a_crash_at_any_point_converges_in_the_next_scan() {
    let mut n_cut = 0;
    for_each_seed(|runtime, seed| {
        let mut random = Random::new(seed ^ 0xC0FF);
        let mut world = World::new(&mut random);
        for step in 0..5 {
            for _ in 0..=random.below(4) {
                world.change(&mut random);
            }
            world.crash_after(random.below(30));
            runtime.block_on(world.scan());
            world.recover();
            if random.below(4) == 0 {
                world.lose_state();
            }
            runtime.block_on(world.scan());
            assert_eq!(world.reports_without_times(), from_scratch(runtime, &world), "step {step}");
            let again = runtime.block_on(world.scan());
            assert_eq!(evaluated(&again), 0, "step {step}: {:?}", again.totals.pairs);
            assert_eq!((again.totals.reports.written, again.totals.reports.deleted), (0, 0), "step {step}");
        }
    });
    let runtime = runtime();
    for seed in 0..40 {
        let mut random = Random::new(seed);
        let world = World::new(&mut random);
        world.crash_after(random.below(10));
        let outcome = runtime.block_on(world.scan());
        n_cut += u64::from(outcome.totals.reports.failed > 0 || outcome.totals.n_state_faults > 0);
    }
    assert!(n_cut > 20, "only {n_cut} of 40 scans were cut");
}

#[test]
fn a_list_that_failed_removes_nothing() {
    for_each_seed(|runtime, seed| {
        let mut random = Random::new(seed ^ 0xFA11);
        let world = World::new(&mut random);
        runtime.block_on(world.scan());
        let before = world.reports_by_kind();
        let kind = world.fail_lists_of_some_kind(&mut random);
        world.delete_some_of(&kind, &mut random);
        let outcome = runtime.block_on(world.scan());
        // What could not be looked at still counts, with the results that its reports show.
        assert_eq!(summary(&outcome), world.summary(), "{kind}");
        let after = world.reports_by_kind();
        for (report, content) in before.get(&kind).into_iter().flatten() {
            assert!(
                after.get(&kind).is_some_and(|reports| reports.contains_key(report)),
                "{report}: {content}"
            );
        }
        assert!(outcome.kinds.iter().any(|told| told.kind.ends_with(&kind)), "{kind} is named");
        world.recover();
        let outcome = runtime.block_on(world.scan());
        assert_eq!(summary(&outcome), world.summary(), "{kind}, recovered");
        assert_eq!(world.reports_without_times(), from_scratch(runtime, &world));
    });
}

#[test]
fn reports_that_somebody_edited_or_deleted_are_restored_and_foreign_ones_left_alone() {
    for_each_seed(|runtime, seed| {
        let mut random = Random::new(seed ^ 0xED17);
        let world = World::new(&mut random);
        runtime.block_on(world.scan());
        let before = world.reports();
        let n_touched = world.tamper_with_reports(&mut random);
        let outcome = runtime.block_on(world.scan());
        assert_eq!(world.reports(), before);
        assert_eq!(outcome.totals.reports.written, n_touched);
        assert_eq!(evaluated(&outcome), 0);
        let foreign = world.replace_a_report_by_a_foreign_one(&mut random);
        let outcome = runtime.block_on(world.scan());
        if let Some((name, content)) = foreign {
            assert_eq!(world.reports().get(&name), Some(&content));
            assert_eq!(outcome.totals.reports.foreign, 1);
        }
    });
}

#[test]
fn a_lost_state_costs_evaluations_and_no_writes() {
    for_each_seed(|runtime, seed| {
        let mut random = Random::new(seed ^ 0x1057);
        let mut world = World::new(&mut random);
        for _ in 0..3 {
            world.change(&mut random);
            runtime.block_on(world.scan());
        }
        let before = world.reports();
        world.lose_state();
        let outcome = runtime.block_on(world.scan());
        assert_eq!(world.reports(), before);
        assert_eq!((outcome.totals.reports.written, outcome.totals.reports.deleted), (0, 0));
        assert_eq!(outcome.totals.reports.adopted, before.len() as u64);
        let again = runtime.block_on(world.scan());
        assert_eq!(evaluated(&again), 0);
    });
}

/// Each result by its report, policy and rule: what it says, and since when, in Unix seconds.
fn results_in(reports: &BTreeMap<String, String>) -> BTreeMap<[String; 3], (String, i64)> {
    let mut found = BTreeMap::new();
    for (name, json) in reports {
        let report: serde_json::Value = serde_json::from_str(json).unwrap();
        for result in report["results"].as_array().unwrap() {
            let text = |key: &str| result[key].as_str().unwrap_or_default().to_owned();
            // A rule that is no longer scored says what it said before.
            let says = format!("{}: {}", text("result").replace("warn", "fail"), text("message"));
            let since_s = result["timestamp"]["seconds"].as_i64().unwrap();
            found.insert([name.clone(), text("policy"), text("rule")], (says, since_s));
        }
    }
    found
}

#[test]
fn a_result_has_the_time_at_which_it_last_changed() {
    let (mut n_kept, mut n_new) = (0, 0);
    let runtime = runtime();
    for seed in seeds(150) {
        let mut random = Random::new(seed ^ 0x71AE);
        let mut world = World::new(&mut random);
        for step in 0..6 {
            for _ in 0..random.below(4) {
                world.change(&mut random);
            }
            let before = results_in(&world.reports());
            let now_s = world.now_s();
            runtime.block_on(world.scan());
            for (key, (says, since_s)) in results_in(&world.reports()) {
                let kept = before.get(&key).filter(|(said, _)| *said == says);
                let expected = kept.map_or(now_s, |(_, since_s)| *since_s);
                assert_eq!(since_s, expected, "PATROL_SEED={seed}, step {step}: {key:?} {says}");
                *(if kept.is_some() { &mut n_kept } else { &mut n_new }) += 1;
            }
        }
    }
    assert!(n_kept > n_new && n_new > 0, "{n_kept} kept, {n_new} new");
}

#[test]
fn the_same_history_gives_the_same_bytes() {
    for_each_seed(|runtime, seed| {
        let run = || {
            let mut random = Random::new(seed ^ 0x5A3E);
            let mut world = World::new(&mut random);
            for _ in 0..4 {
                world.change(&mut random);
                world.change(&mut random);
                runtime.block_on(world.scan());
            }
            world.reports()
        };
        assert_eq!(run(), run());
    });
}
