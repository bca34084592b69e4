//! An operator at work: it registers its stations, reports what happens there and answers its platform, all with
//! mistakes. Without sockets: whoever has them carries what [`Reporter::poll_call`] gives and says what came of it. What
//! stands on the wire is the business of the dialect, in a file of its own.

use std::collections::{BTreeMap, VecDeque};

use http::{Request, Response};
use model::oversight::{Callback, ChargeRecord, Code, CodeError, Entity, OperatorCode, Sample};
use model::secret::Secret;
use model::time::{Millis, Monotonic, Now, Timestamp};
use model::units::PerMille;

use super::{Books, Failure, Fate, Fleet, FleetSettings, Mischief, Warned, What};
use crate::draw::{Dice, Draws};

/// An operator and how it reports.
#[derive(Clone, Debug)]
pub struct ReporterSettings {
    pub fleet: FleetSettings,
    pub secret: Secret,
    /// The platform, up to its host and port.
    pub url: String,
    /// Where the operator hears its platform, up to host and port; `None`: it has no address.
    pub hears_at: Option<String>,
    pub mischief: Mischief,
}

/// One call to the platform, and what becomes of it on the way.
#[derive(Clone, Debug)]
pub struct Call {
    pub request: Request<Vec<u8>>,
    pub fate: Fate,
}

/// What a call says.
#[derive(Clone, Debug)]
pub(super) enum Saying {
    Address(Callback, String),
    Register(Entity),
    Samples(Vec<Sample>),
    /// In place of what failed under that id.
    Again(Code, Sample),
    Records(Vec<ChargeRecord>),
}

/// What came of calls.
pub(super) enum Heard {
    LoggedIn,
    /// What became of the parts of what was said last: why each was refused, if it was.
    Did(Vec<Option<String>>),
    Trouble(String),
}

/// What the platform says when it calls.
pub(super) enum Called {
    /// A sample could not be used, so often.
    Failed {
        id: Code,
        count: i64,
        sample: Option<Box<Sample>>,
    },
    Risk(Warned),
    /// It asks for a sample.
    Past {
        port: Code,
        at: Timestamp,
    },
}

/// What makes no sense, or comes from somebody else.
pub(super) struct Misheard {
    pub answer: Response<Vec<u8>>,
    pub why: String,
}

/// What it is told.
pub(super) enum Answering {
    Done,
    /// The sample that it asked for, if there is one.
    Past(Option<Box<Sample>>),
}

/// The half of a dialect that reports.
pub(super) trait Voice: Send {
    /// Samples and records in one call.
    fn most(&self) -> (usize, usize);
    /// So often a sample may fail.
    fn most_failures(&self) -> i64;
    /// Only once it is known what became of what was said before.
    fn say(&mut self, saying: &Saying);
    fn poll_request(&mut self, now: Now) -> Option<Request<Vec<u8>>>;
    fn poll_timeout(&self, now: Now) -> Option<Monotonic>;
    fn handle_answer(&mut self, answer: &Response<Vec<u8>>, now: Now, jitter: PerMille);
    fn handle_failure(&mut self, now: Now, jitter: PerMille);
    fn poll_heard(&mut self) -> Option<Heard>;
    /// Signs a call as somebody would whose clock or key is wrong.
    fn spoil(&self, request: &mut Request<Vec<u8>>, fate: Fate, now: Timestamp);
    /// Reads what the platform says.
    ///
    /// # Errors
    /// With what it is answered when it makes no sense or comes from somebody else, and why.
    fn read_call(
        &self,
        callback: Callback,
        request: &Request<Vec<u8>>,
        now: Timestamp,
    ) -> Result<Called, Box<Misheard>>;
    fn answer(&self, answering: &Answering, now: Timestamp) -> Response<Vec<u8>>;
}

/// What an operator does about a sample that could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reaction {
    Repair,
    /// Sends the same again.
    Insist,
    Leave,
}

/// What a port's code begins with by mistake.
const MISNAMED: &str = "x";

pub struct Reporter {
    settings: ReporterSettings,
    voice: Box<dyn Voice>,
    fleet: Fleet,
    books: Books,
    draws: Draws,
    draw: i64,
    waiting: VecDeque<Saying>,
    samples: VecDeque<Sample>,
    records: VecDeque<ChargeRecord>,
    /// Held back, with the time at which they leave.
    held: BTreeMap<(Timestamp, i64), Sample>,
    /// Samples under a name that nobody has registered, by it and their time, and what they should have been.
    misnamed: BTreeMap<(Code, Timestamp), Sample>,
    under_way: Option<Saying>,
    refused: Vec<String>,
    counts: Counts,
}

/// What has become of calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub calls: u64,
    pub logins: u64,
    /// Calls that were to be made again.
    pub troubles: u64,
}

impl Reporter {
    pub(super) fn with(
        settings: ReporterSettings,
        voice: Box<dyn Voice>,
        start: Timestamp,
    ) -> Result<Self, CodeError> {
        let fleet = Fleet::new(&settings.fleet, start)?;
        let mut waiting = VecDeque::new();
        if let Some(hears_at) = &settings.hears_at {
            let operator = &settings.fleet.operator;
            let address =
                |callback| Saying::Address(callback, format!("{hears_at}{}", path(operator, callback)));
            waiting.extend(CALLBACKS.map(address));
        }
        waiting.extend(fleet.entities().iter().cloned().map(Saying::Register));
        Ok(Self {
            voice,
            draws: Draws::new(
                settings.fleet.seed,
                &format!("reports of {}", settings.fleet.operator),
            ),
            settings,
            fleet,
            books: Books::default(),
            draw: 0,
            waiting,
            samples: VecDeque::new(),
            records: VecDeque::new(),
            held: BTreeMap::new(),
            misnamed: BTreeMap::new(),
            under_way: None,
            refused: Vec::new(),
            counts: Counts::default(),
        })
    }

    #[must_use]
    pub const fn settings(&self) -> &ReporterSettings {
        &self.settings
    }

    /// What it has registered, or will.
    #[must_use]
    pub fn entities(&self) -> &[Entity] {
        self.fleet.entities()
    }

    #[must_use]
    pub const fn books(&self) -> &Books {
        &self.books
    }

    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// What the platform would not take though it should have, in its words.
    #[must_use]
    pub fn refused(&self) -> &[String] {
        &self.refused
    }

    /// Calls, samples and records that are still to be said or under way.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let under_way = usize::from(self.under_way.is_some());
        self.waiting.len() + self.samples.len() + self.records.len() + self.held.len() + under_way
    }

    /// Lets time pass at the stations.
    pub fn advance(&mut self, until: Timestamp) {
        let mut happened = Vec::new();
        self.fleet.advance(until, |what| happened.push(what));
        for what in happened {
            match what {
                What::Charged(record) => self.records.push_back(record),
                What::Sample(sample) => self.sampled(sample),
            }
        }
        while let Some(entry) = self.held.first_entry().filter(|entry| entry.key().0 <= until) {
            self.samples.push_back(entry.remove());
        }
    }

    /// When something happens at the stations.
    #[must_use]
    pub fn next_at(&self) -> Timestamp {
        let held = self.held.first_key_value().map(|((at, _), _)| *at);
        held.map_or(self.fleet.next_at(), |at| at.min(self.fleet.next_at()))
    }

    /// When the next call may leave; `None`: not by itself.
    #[must_use]
    pub fn poll_timeout(&self, now: Now) -> Option<Monotonic> {
        if self.under_way.is_none() && self.waiting() > self.held.len() {
            return Some(now.monotonic);
        }
        self.voice.poll_timeout(now)
    }

    /// What was held back leaves now: the end of a day.
    pub fn let_go(&mut self) {
        self.samples.extend(std::mem::take(&mut self.held).into_values());
    }

    fn sampled(&mut self, sample: Sample) {
        let mut dice = self.dice();
        let mischief = self.settings.mischief;
        if dice.happens(mischief.unknown)
            && let Ok(port) = Code::new(&format!("{MISNAMED}{}", sample.port))
        {
            let wrong = Sample {
                port: port.clone(),
                ..sample.clone()
            };
            self.misnamed.insert((port, sample.at), sample);
            self.samples.push_back(wrong);
        } else if dice.happens(mischief.late) {
            let until = sample.at + Millis::from_seconds(dice.between(120, 1_500));
            self.held.insert((until, self.draw), sample);
        } else {
            self.samples.push_back(sample);
        }
    }

    fn dice(&mut self) -> Dice {
        self.draw += 1;
        self.draws.at(self.draw)
    }

    /// The next call; none while one is under way.
    pub fn poll_call(&mut self, now: Now) -> Option<Call> {
        if self.under_way.is_none() {
            let saying = self.next_saying()?;
            self.voice.say(&saying);
            self.under_way = Some(saying);
        }
        let request = self.voice.poll_request(now);
        self.listen();
        let mut request = request?;
        let mut dice = self.dice();
        let fate = self.settings.mischief.of_call(&mut dice);
        self.voice.spoil(&mut request, fate, now.wall);
        self.counts.calls += 1;
        Some(Call { request, fate })
    }

    fn next_saying(&mut self) -> Option<Saying> {
        if let Some(saying) = self.waiting.pop_front() {
            return Some(saying);
        }
        let (samples, records) = self.voice.most();
        if !self.samples.is_empty() {
            let list = self.samples.drain(..samples.min(self.samples.len()));
            return Some(Saying::Samples(list.collect()));
        }
        let list = self.records.drain(..records.min(self.records.len()));
        let list: Vec<ChargeRecord> = list.collect();
        (!list.is_empty()).then_some(Saying::Records(list))
    }

    /// The platform has answered.
    pub fn handle_answer(&mut self, answer: &Response<Vec<u8>>, now: Now) {
        let jitter = PerMille(self.dice().between(0, 1_000));
        self.voice.handle_answer(answer, now, jitter);
        self.listen();
    }

    /// No answer came.
    pub fn handle_failure(&mut self, now: Now) {
        let jitter = PerMille(self.dice().between(0, 1_000));
        self.voice.handle_failure(now, jitter);
        self.listen();
    }

    fn listen(&mut self) {
        while let Some(heard) = self.voice.poll_heard() {
            match heard {
                Heard::LoggedIn => self.counts.logins += 1,
                Heard::Trouble(why) => {
                    tracing::debug!("{}: {why}", self.settings.fleet.operator);
                    self.counts.troubles += 1;
                }
                Heard::Did(refusals) => {
                    if let Some(saying) = self.under_way.take() {
                        self.did(saying, refusals);
                    }
                }
            }
        }
    }

    fn did(&mut self, saying: Saying, mut refusals: Vec<Option<String>>) {
        match saying {
            Saying::Address(..) | Saying::Register(_) => {
                let refused = refusals.pop().flatten();
                self.refused
                    .extend(refused.map(|why| format!("{saying:?}: {why}")));
            }
            Saying::Samples(samples) => {
                for (sample, refused) in samples.into_iter().zip(refusals) {
                    match refused {
                        None => self.books.acknowledge(sample),
                        Some(why) => self.rejected(&sample, &why),
                    }
                }
            }
            // That it failed once more, or was given up meanwhile, comes as a notice.
            Saying::Again(failed, sample) => {
                if refusals.pop().flatten().is_none() {
                    self.books.acknowledge(sample);
                    if let Some(failure) = self.books.failures.get_mut(&failed) {
                        failure.is_repaired = true;
                    }
                }
            }
            Saying::Records(records) => {
                for (record, refused) in records.into_iter().zip(refusals) {
                    match refused {
                        None => self.books.record(record),
                        Some(why) => self.refused.push(format!("{record:?}: {why}")),
                    }
                }
            }
        }
    }

    /// What is wrong about a port without a name comes as a notice.
    fn rejected(&mut self, sample: &Sample, why: &str) {
        if !self.misnamed.contains_key(&(sample.port.clone(), sample.at)) {
            self.refused.push(format!("{sample:?}: {why}"));
        }
    }

    /// Whether a path of a call is one of its, and which.
    #[must_use]
    pub fn is_called(&self, called: &str) -> Option<Callback> {
        let operator = &self.settings.fleet.operator;
        CALLBACKS
            .into_iter()
            .find(|callback| path(operator, *callback) == called)
    }

    /// The platform calls. `None`: the operator does not answer.
    pub fn handle_call(
        &mut self,
        callback: Callback,
        request: &Request<Vec<u8>>,
        now: Timestamp,
    ) -> Option<Response<Vec<u8>>> {
        let mut dice = self.dice();
        if dice.happens(self.settings.mischief.deaf) {
            return None;
        }
        let called = match self.voice.read_call(callback, request, now) {
            Ok(called) => called,
            Err(misheard) => {
                self.refused
                    .push(format!("a call of the platform: {}", misheard.why));
                return Some(misheard.answer);
            }
        };
        let answering = match called {
            Called::Failed { id, count, sample } => {
                self.heard_failure(id, count, sample.as_deref(), &mut dice);
                Answering::Done
            }
            Called::Risk(warned) => {
                // A call whose answer was lost comes again.
                if !self.books.warnings.contains(&warned) {
                    self.books.warnings.push(warned);
                }
                Answering::Done
            }
            Called::Past { port, at } => {
                // What it could not say under a wrong name it still knows.
                let misnamed = self.misnamed.get(&(port.clone(), at));
                let sample = misnamed.or_else(|| self.books.sample(&port, at)).cloned();
                self.books.asked += 1;
                self.books.answered += u64::from(sample.is_some());
                Answering::Past(sample.map(Box::new))
            }
        };
        Some(self.voice.answer(&answering, now))
    }

    fn heard_failure(&mut self, id: Code, count: i64, sample: Option<&Sample>, dice: &mut Dice) {
        let known = self.books.failures.get(&id).copied();
        if known.is_some_and(|known| known.count >= count) {
            return;
        }
        let failure = Failure {
            count,
            is_repaired: known.is_some_and(|known| known.is_repaired),
        };
        self.books.failures.insert(id.clone(), failure);
        let key = sample.map(|sample| (sample.port.clone(), sample.at));
        let Some((wrong, right)) = key.and_then(|key| {
            let right = self.misnamed.get(&key)?.clone();
            let wrong = Sample {
                port: key.0,
                ..right.clone()
            };
            Some((wrong, right))
        }) else {
            return;
        };
        // Some insist until it is given up.
        let reaction = match dice.between(0, 9) {
            _ if count >= self.voice.most_failures() => Reaction::Leave,
            0..6 => Reaction::Repair,
            6..9 => Reaction::Insist,
            _ => Reaction::Leave,
        };
        match reaction {
            Reaction::Repair => self.waiting.push_back(Saying::Again(id, right)),
            Reaction::Insist => self.waiting.push_back(Saying::Again(id, wrong)),
            Reaction::Leave => {}
        }
    }
}

/// Where an operator hears what.
fn path(operator: &OperatorCode, callback: Callback) -> String {
    let what = match callback {
        Callback::ReportFailed => "failed",
        Callback::PastSample => "past",
        Callback::Risk => "risk",
    };
    format!("/{}/{what}", dialects::query::encode(operator.as_str()))
}

const CALLBACKS: [Callback; 3] = [Callback::ReportFailed, Callback::PastSample, Callback::Risk];
