use std::sync::mpsc::channel;

use super::*;

const LONG: Duration = Duration::from_mins(1);
const SHORT: Duration = Duration::from_millis(1);

/// Blocks until the other side is dropped.
fn block(until: &Receiver<()>) {
    assert!(until.recv().is_err(), "nothing is ever sent");
}

#[test]
fn jobs_run_on_what_the_thread_owns_in_order() {
    let worker = Worker::start(LONG, || Ok::<_, ()>(Vec::new())).unwrap();
    for i in 0..10 {
        assert_eq!(
            worker.call(LONG, move |owned| {
                owned.push(i);
                owned.len()
            }),
            Ok(i + 1)
        );
    }
    assert_eq!(worker.call(LONG, |owned| owned.clone()), Ok((0..10).collect()));
}

#[test]
fn a_panicking_job_costs_its_own_answer_only() {
    let worker = Worker::start(LONG, || Ok::<_, ()>(7)).unwrap();
    assert_eq!(worker.call(LONG, |_| -> u8 { panic!("on purpose") }), Err(NoAnswer::Panicked));
    assert_eq!(worker.call(LONG, |owned| *owned), Ok(7));
}

#[test]
fn a_hanging_job_is_given_up_and_nothing_is_asked_after_it() {
    let worker = Worker::start(LONG, || Ok::<_, ()>(7)).unwrap();
    let (release, blocked) = channel();
    assert_eq!(worker.call(SHORT, move |_| block(&blocked)), Err(NoAnswer::TimedOut));
    assert_eq!(worker.call(LONG, |owned| *owned), Err(NoAnswer::Gone));
    assert!(worker.close(SHORT), "closing a worker that was given up does not wait");
    drop(release);
}

#[test]
fn a_hanging_start_is_given_up_and_drops_what_it_made_later() {
    struct Owned(#[expect(dead_code, reason = "dropped to tell")] SyncSender<()>);
    let (release, blocked) = channel();
    let (dropped, was_dropped) = sync_channel(1);
    let started = Worker::start(SHORT, move || {
        block(&blocked);
        Ok::<_, ()>(Owned(dropped))
    });
    assert!(matches!(started, Err(NoStart::TimedOut)));
    drop(release);
    assert_eq!(was_dropped.recv_timeout(LONG), Err(RecvTimeoutError::Disconnected));
}

#[test]
fn a_start_that_fails_or_panics_is_told() {
    assert!(matches!(Worker::<u8>::start(LONG, || Err("no")), Err(NoStart::Failed("no"))));
    assert!(matches!(
        Worker::<u8>::start(LONG, || -> Result<u8, ()> { panic!("on purpose") }),
        Err(NoStart::Panicked)
    ));
}

#[test]
fn closing_waits_for_the_drop_but_not_for_ever() {
    struct Owned(Receiver<()>);
    impl Drop for Owned {
        fn drop(&mut self) {
            block(&self.0);
        }
    }
    let (release, blocked) = channel();
    let worker = Worker::start(LONG, || Ok::<_, ()>(Owned(blocked))).unwrap();
    assert!(!worker.close(SHORT));
    drop(release);

    let (release, blocked) = channel();
    drop(release);
    let worker = Worker::start(LONG, || Ok::<_, ()>(Owned(blocked))).unwrap();
    assert!(worker.close(LONG));
    assert!(worker.close(SHORT), "twice is fine");
}

#[test]
fn a_hanging_or_panicking_drop_does_not_reach_the_caller() {
    struct Hangs(Receiver<()>);
    impl Drop for Hangs {
        fn drop(&mut self) {
            block(&self.0);
        }
    }
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }
    let (release, blocked) = channel();
    assert!(!drop_within(Hangs(blocked), SHORT));
    drop(release);
    assert!(drop_within(Panics, LONG));
}
