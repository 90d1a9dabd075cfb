//! Elections in paused time, over a Lease in memory that can be cut off from each replica.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{advance, sleep};

use super::*;
use crate::cluster::lease::LeaseApi;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// The server: one Lease, with optimistic concurrency.
#[derive(Debug, Default)]
struct Server {
    lease: Mutex<Option<Lease>>,
    n_writes: AtomicU64,
}

/// How it is between a replica and the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weather {
    Fine,
    /// Requests are refused.
    Down,
    /// Requests are never answered.
    Hangs,
    /// Writes arrive, answers do not.
    AnswersAreLost,
}

#[derive(Clone, Debug)]
struct Link {
    server: Arc<Server>,
    weather: Arc<Mutex<Weather>>,
}

impl Link {
    async fn pass<T: Send>(
        &self,
        does: impl FnOnce(&Server) -> Result<T, ApiFailure> + Send,
    ) -> Result<T, ApiFailure> {
        let weather = *self.weather.lock().unwrap();
        sleep(5 * MS).await;
        match weather {
            Weather::Fine => {
                let end = does(&self.server);
                sleep(5 * MS).await;
                end
            }
            Weather::Down => Err(ApiFailure::new(FailureClass::Unreachable, "down")),
            Weather::Hangs => std::future::pending().await,
            Weather::AnswersAreLost => {
                let _ = does(&self.server);
                std::future::pending().await
            }
        }
    }

    fn be(&self, weather: Weather) {
        *self.weather.lock().unwrap() = weather;
    }
}

impl Server {
    fn put(&self, lease: &Lease, is_create: bool) -> Result<Lease, ApiFailure> {
        let mut stored = self.lease.lock().unwrap();
        let version = |lease: &Lease| lease.0.pointer("/metadata/resourceVersion").cloned();
        match &*stored {
            Some(_) if is_create => return Err(ApiFailure::new(FailureClass::AlreadyExists, "there is one")),
            None if !is_create => return Err(ApiFailure::new(FailureClass::NotFound, "there is none")),
            Some(old) if version(old) != version(lease) => {
                return Err(ApiFailure::new(FailureClass::Conflict, "it changed"));
            }
            _ => {}
        }
        let mut lease = lease.clone();
        let n = self.n_writes.fetch_add(1, Ordering::Relaxed);
        lease.0["metadata"]["resourceVersion"] = json!(n.to_string());
        *stored = Some(lease.clone());
        Ok(lease)
    }

    fn field(&self, name: &str) -> serde_json::Value {
        self.lease.lock().unwrap().as_ref().unwrap().0["spec"][name].clone()
    }
}

impl LeaseApi for Link {
    fn read(&self) -> BoxFuture<'_, Result<Option<Lease>, ApiFailure>> {
        self.pass(|server| Ok(server.lease.lock().unwrap().clone())).boxed()
    }

    fn create<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<Lease, ApiFailure>> {
        self.pass(|server| server.put(lease, true)).boxed()
    }

    fn replace<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<Lease, ApiFailure>> {
        self.pass(|server| server.put(lease, false)).boxed()
    }
}

/// A running replica.
struct Replica {
    leadership: Leadership,
    link: Link,
    task: JoinHandle<()>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
}

impl Replica {
    fn start(server: &Arc<Server>, identity: &str) -> Self {
        let link = Link { server: Arc::clone(server), weather: Arc::new(Mutex::new(Weather::Fine)) };
        let settings = ElectionSettings {
            namespace: "n".into(),
            name: "patrol".into(),
            identity: identity.into(),
            lease_duration: 15 * SECOND,
            renew_deadline: 10 * SECOND,
            retry_period: 2 * SECOND,
        };
        let (election, leadership) = Election::by(Box::new(link.clone()), settings, || Timestamp::UNIX_EPOCH);
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(election.run(async {
            let _ = stopped.await;
        }));
        Self { leadership, link, task, stop: Some(stop) }
    }

    /// Ends as a killed process does.
    fn kill(&self) {
        self.task.abort();
    }

    /// Ends in order.
    async fn end(&mut self) {
        let _ = self.stop.take().unwrap().send(());
        (&mut self.task).await.unwrap();
        assert!(!self.may_write());
    }

    fn may_write(&self) -> bool {
        self.leadership.time_to_write().is_some()
    }

    async fn seconds_until_it_leads(&self) -> u64 {
        let start = Instant::now();
        self.leadership.gained().await;
        assert!(self.may_write());
        start.elapsed().as_secs()
    }
}

async fn leader_and_standby() -> (Arc<Server>, Replica, Replica) {
    let server = Arc::new(Server::default());
    let first = Replica::start(&server, "first");
    first.leadership.gained().await;
    let second = Replica::start(&server, "second");
    sleep(5 * SECOND).await;
    assert!(first.may_write() && !second.may_write());
    assert_eq!(second.leadership.lead(), Lead::Other("first".into()));
    (server, first, second)
}

#[tokio::test(start_paused = true)]
async fn the_holder_of_the_lease_leads_for_as_long_as_it_renews() {
    let (server, first, second) = leader_and_standby().await;
    sleep(3600 * SECOND).await;
    assert!(first.may_write() && !second.may_write());
    assert_eq!(server.field("leaseTransitions"), 0);
    assert_eq!(server.field("leaseDurationSeconds"), 15);
    let n = server.n_writes.load(Ordering::Relaxed);
    assert!((1700..1900).contains(&n), "renewed {n} times in an hour");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_dies_is_followed_when_its_lease_has_ended_and_not_before() {
    let (server, first, second) = leader_and_standby().await;
    first.kill();
    let waited = second.seconds_until_it_leads().await;
    assert!((13..=19).contains(&waited), "{waited} s");
    assert_eq!(server.field("leaseTransitions"), 1);
    assert_eq!(server.field("holderIdentity"), "second");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_ends_gives_the_lease_back() {
    let (server, mut first, mut second) = leader_and_standby().await;
    first.end().await;
    assert_eq!(server.field("holderIdentity"), "");
    let waited = second.seconds_until_it_leads().await;
    assert!(waited <= 2, "{waited} s");
    second.link.be(Weather::Hangs);
    let start = Instant::now();
    second.end().await;
    assert!(start.elapsed() <= 2 * SECOND, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_renew_stops_writing_before_another_begins() {
    for weather in [Weather::Down, Weather::Hangs, Weather::AnswersAreLost] {
        let (_, first, second) = leader_and_standby().await;
        first.link.be(weather);
        let start = Instant::now();
        first.leadership.lost().await;
        let stopped = start.elapsed();
        assert!((7 * SECOND..=10 * SECOND).contains(&stopped), "{weather:?}: {stopped:?}");
        assert!(!first.may_write());
        second.leadership.gained().await;
        let taken = start.elapsed();
        assert!(taken >= stopped + 3 * SECOND, "{weather:?}: {stopped:?} {taken:?}");
        first.link.be(Weather::Fine);
        sleep(30 * SECOND).await;
        assert!(second.may_write() && !first.may_write(), "{weather:?}");
        assert_eq!(first.leadership.lead(), Lead::Other("second".into()));
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_shorter_than_the_deadline_changes_nothing() {
    let (server, first, second) = leader_and_standby().await;
    for replica in [&first, &second] {
        replica.link.be(Weather::Down);
    }
    sleep(7 * SECOND).await;
    assert!(first.may_write());
    for replica in [&first, &second] {
        replica.link.be(Weather::Fine);
    }
    sleep(30 * SECOND).await;
    assert!(first.may_write() && !second.may_write());
    assert_eq!(server.field("leaseTransitions"), 0);
}

#[tokio::test(start_paused = true)]
async fn the_term_ends_even_if_the_election_gets_no_turn() {
    let (_, first, _) = leader_and_standby().await;
    first.kill();
    let left = first.leadership.time_to_write().unwrap();
    assert!((12 * SECOND..=15 * SECOND).contains(&left), "a write that begins now ends within {left:?}");
    advance(10 * SECOND).await;
    assert_eq!(first.leadership.time_to_write(), None);
}

#[tokio::test(start_paused = true)]
async fn what_a_lease_says_of_its_length_counts_and_what_it_says_of_times_does_not() {
    let server = Arc::new(Server::default());
    let foreign = Lease::new("n", "patrol").held_by("another program", 60 * SECOND, Timestamp::UNIX_EPOCH);
    server.put(&foreign, true).unwrap();
    let replica = Replica::start(&server, "first");
    let waited = replica.seconds_until_it_leads().await;
    assert!((60..=63).contains(&waited), "{waited} s");
    assert_eq!(server.field("leaseTransitions"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_deleted_is_made_again() {
    let (server, first, second) = leader_and_standby().await;
    *server.lease.lock().unwrap() = None;
    sleep(5 * SECOND).await;
    assert_eq!(u8::from(first.may_write()) + u8::from(second.may_write()), 1);
}

/// Three replicas under random weather, deaths and ends: at no moment may two write, and while one is well there
/// is a leader again within two lengths of the Lease.
#[tokio::test(start_paused = true)]
async fn at_most_one_replica_may_write_at_any_moment() {
    let mut n_leaders = 0;
    for seed in 0..40_u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut random = |n: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % n
        };
        let server = Arc::new(Server::default());
        let mut replicas: Vec<Replica> =
            (0..3).map(|n| Replica::start(&server, &format!("{seed}-{n}"))).collect();
        let mut last_leader = None;
        for step in 0..1500_u64 {
            sleep(200 * MS).await;
            let leaders: Vec<usize> = (0..replicas.len()).filter(|at| replicas[*at].may_write()).collect();
            assert!(leaders.len() <= 1, "seed {seed}, step {step}: {leaders:?}");
            if leaders.first().is_some_and(|leader| last_leader != Some(*leader)) {
                last_leader = leaders.first().copied();
                n_leaders += 1;
            }
            let at = usize::try_from(random(3)).unwrap();
            match random(60) {
                0 => replicas[at].link.be(Weather::Down),
                1 => replicas[at].link.be(Weather::Hangs),
                2 => replicas[at].link.be(Weather::AnswersAreLost),
                3..=6 => replicas[at].link.be(Weather::Fine),
                7 => {
                    replicas[at].kill();
                    // A killed process writes no more, whatever its term says.
                    replicas[at] = Replica::start(&server, &format!("{seed}-{at}-{step}"));
                }
                _ => {}
            }
        }
        for replica in &replicas {
            replica.link.be(Weather::Fine);
        }
        sleep(31 * SECOND).await;
        assert_eq!(replicas.iter().filter(|replica| replica.may_write()).count(), 1, "seed {seed}");
    }
    assert!(n_leaders > 100, "leadership moved only {n_leaders} times");
}
