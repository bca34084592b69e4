//! Operators over real connections: they call their platform, and hear it on loopback.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use links::{Limits, ServerLimits};
use model::oversight::{CodeError, OperatorCode};
use model::time::{Clock, Timestamp};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Books, Call, Counts, Fate, Reporter, ReporterSettings};

/// How often an operator looks whether something has happened.
const TICK: Duration = Duration::from_millis(200);

/// Why operators cannot work.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("cannot listen on {address} for what the platform calls")]
    Bind {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("cannot call a platform: {0}")]
    NoClient(links::Failure),
    #[error(transparent)]
    TooMany(#[from] CodeError),
}

/// How time passes at the stations.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// When it begins there, and what the clock shows by then.
    pub from: Timestamp,
    pub begun: Timestamp,
    /// So much faster than the clock, until it has caught up with it.
    pub speed: i64,
}

impl Pace {
    /// What time it is at the stations when the clock shows this.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Timestamp {
        let passed = now.0.saturating_sub(self.begun.0).max(0);
        Timestamp(
            self.from
                .0
                .saturating_add(passed.saturating_mul(self.speed))
                .min(now.0),
        )
    }
}

/// Operators that report until they are stopped.
pub struct Running {
    reporters: Vec<Arc<Mutex<Reporter>>>,
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

/// What an operator has done so far.
#[derive(Clone, Debug)]
pub struct Progress {
    pub operator: OperatorCode,
    pub samples: u64,
    pub records: usize,
    pub failures: usize,
    pub warnings: usize,
    pub waiting: usize,
    pub counts: Counts,
    /// What was refused though it should not have been.
    pub refused: Vec<String>,
}

impl Running {
    /// Starts all of them. Where they hear the platform is chosen here.
    ///
    /// # Errors
    /// When no port of this machine is free, or there is too much to be numbered.
    pub async fn start(
        settings: Vec<ReporterSettings>,
        pace: Pace,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RunError> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let bound = |source| RunError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bound)?;
        let hears_at = format!("http://{}", listener.local_addr().map_err(bound)?);
        let client = links::http::Client::trusting(Limits::default(), None).map_err(RunError::NoClient)?;
        let reporters = settings.into_iter().map(|settings| {
            let hears_at = Some(hears_at.clone());
            let reporter = Reporter::new(ReporterSettings { hears_at, ..settings }, pace.from)?;
            Ok(Arc::new(Mutex::new(reporter)))
        });
        let reporters: Vec<_> = reporters.collect::<Result<_, RunError>>()?;
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(hear(
            reporters.clone(),
            listener,
            Arc::clone(&clock),
            stop.clone(),
        ));
        for reporter in &reporters {
            let (reporter, client, clock) = (Arc::clone(reporter), client.clone(), Arc::clone(&clock));
            tasks.spawn(report(reporter, client, pace, clock, stop.clone()));
        }
        Ok(Self {
            reporters,
            tasks,
            stop,
        })
    }

    #[must_use]
    pub fn progress(&self) -> Vec<Progress> {
        let of = |reporter: &Arc<Mutex<Reporter>>| {
            let reporter = lock(reporter);
            let books: &Books = reporter.books();
            Progress {
                operator: reporter.settings().fleet.operator.clone(),
                samples: books.count(),
                records: books.records().len(),
                failures: books.failures.len(),
                warnings: books.warnings.len(),
                waiting: reporter.waiting(),
                counts: reporter.counts(),
                refused: reporter.refused().to_vec(),
            }
        };
        self.reporters.iter().map(of).collect()
    }

    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

fn lock(reporter: &Mutex<Reporter>) -> MutexGuard<'_, Reporter> {
    reporter.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn report(
    reporter: Arc<Mutex<Reporter>>,
    client: links::http::Client,
    pace: Pace,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        let call = {
            let now = clock.now();
            let mut reporter = lock(&reporter);
            reporter.advance(pace.at(now.wall));
            reporter.poll_call(now)
        };
        let Some(call) = call else {
            tokio::select! {
                () = tokio::time::sleep(TICK) => continue,
                () = stop.cancelled() => return,
            }
        };
        let answer = tokio::select! {
            answer = carry(&client, call) => answer,
            () = stop.cancelled() => return,
        };
        let now = clock.now();
        let mut reporter = lock(&reporter);
        match answer {
            Some(answer) => reporter.handle_answer(&answer, now),
            None => reporter.handle_failure(now),
        }
    }
}

/// Brings a call to the platform as its fate wants it; `None`: no answer is heard.
async fn carry(client: &links::http::Client, call: Call) -> Option<Response<Vec<u8>>> {
    if call.fate == Fate::Lost {
        return None;
    }
    let twice = (call.fate == Fate::Doubled).then(|| call.request.clone());
    let answer = client.send(call.request).await;
    if let Some(again) = twice {
        let _ = client.send(again).await;
    }
    match answer {
        Ok(answer) => (call.fate != Fate::Unanswered).then_some(answer),
        Err(failure) => {
            tracing::warn!("the platform does not answer: {failure}");
            None
        }
    }
}

/// Hears what the platform says to any of them.
async fn hear(
    reporters: Vec<Arc<Mutex<Reporter>>>,
    listener: TcpListener,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    let handler = move |request: Request<Vec<u8>>| {
        let path = request.uri().path();
        let called = reporters.iter().find_map(|reporter| {
            let callback = lock(reporter).is_called(path)?;
            Some((reporter, callback))
        });
        let answer = match called {
            Some((reporter, callback)) => lock(reporter).handle_call(callback, &request, clock.now().wall),
            None => {
                let mut nobody = Response::new(Vec::new());
                *nobody.status_mut() = StatusCode::NOT_FOUND;
                Some(nobody)
            }
        };
        async move { answer }
    };
    links::http::serve(listener, ServerLimits::default(), stop, handler).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_faster_clock_catches_up_and_goes_on_as_clocks_do() {
        let pace = Pace {
            from: Timestamp(0),
            begun: Timestamp(9_000),
            speed: 10,
        };
        for (now, expected) in [
            (8_000, 0),
            (9_000, 0),
            (9_500, 5_000),
            (10_000, 10_000),
            (11_000, 11_000),
        ] {
            assert_eq!(pace.at(Timestamp(now)), Timestamp(expected), "{now}");
        }
    }
}
