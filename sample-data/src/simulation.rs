//! Two weeks in the life of the departments' file servers.

use std::collections::HashMap;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeDelta, Utc, Weekday};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::{
    Access, DataFactory, Error, FactoryConfig, PlantedAnomaly, Sample, SecurityEvent,
    deck::Deck,
    departments::{Department, Pairs},
    factory::{Stream, check_rows, random_stream},
};

const MOST_DAYS: u32 = 3_660;
const MOST_SESSIONS_PER_DAY: f64 = 100.0;
const MOST_ACCESSES_PER_SESSION: u32 = 1_000;
/// Sessions begin between 07:30 and 17:30 UTC, most of them around noon, and last an hour at most.
const FIRST_SESSION_MS: f64 = 7.5 * HOUR_MS;
const LAST_SESSION_MS: f64 = 17.5 * HOUR_MS;
const HOUR_MS: f64 = 3_600_000.0;
/// Clients take their ports from the range that Windows reserves for it.
const CLIENT_PORTS: std::ops::RangeInclusive<u16> = 49_152..=65_535;

/// How the events are spread over time, and the names in them.
#[derive(Debug, Clone, PartialEq)]
pub struct EventConfig {
    /// Length of the story, 1..=3660 days.
    pub days: u32,
    /// The first day; its time of day is ignored, days run from midnight to midnight UTC. By default Friday
    /// 2026-11-06, so that the last of 14 days, when the anomalies happen, is a Thursday like any other.
    pub start: DateTime<Utc>,
    /// The seed of times and sessions. Who reaches what comes from the factory's seed.
    pub seed: u64,
    /// The ratio of the training data that the normal events follow, 0..=1.
    pub training_ratio: f64,
    /// Mean number of sessions per user on a working day, 0..=100.
    pub sessions_per_day: f64,
    /// Mean number of accesses per session, 1..=1000.
    pub accesses_per_session: u32,
    /// Sessions on a Saturday or Sunday as a share of those on a working day, 0..=1.
    pub weekend_share: f64,
    /// The NetBIOS name of the domain; computers are in `<domain>.example`.
    pub domain: String,
    /// The workspace's GUID, for the column TenantId.
    pub workspace_id: String,
    /// The Azure resource group of the file servers, the beginning of the column _ResourceId.
    pub server_group: String,
}

impl Default for EventConfig {
    fn default() -> Self {
        let first_day = NaiveDate::from_ymd_opt(2026, 11, 6).unwrap_or_default();
        EventConfig {
            days: 14,
            start: first_day.and_time(NaiveTime::MIN).and_utc(),
            seed: 42,
            training_ratio: 0.25,
            sessions_per_day: 3.0,
            accesses_per_session: 4,
            weekend_share: 0.1,
            domain: "CONTOSO".to_owned(),
            workspace_id: "6f3d1c52-0000-4000-8000-000000005140".to_owned(),
            server_group: "/subscriptions/00000000-0000-4000-8000-000000000001/resourcegroups/fileservers".to_owned(),
        }
    }
}

/// Events 5140 of users who work with the shares of their department's training data, the more often the higher the
/// likelihood, in working hours and less on weekends. On the last day, `planted` accesses to shares of other
/// departments are among them, each a different pair of user and share; they are also returned as ground truth.
///
/// # Errors
/// [`Error::InvalidEvents`] names a setting out of its range; [`Error::TooManyPlanted`] and [`Error::TooLarge`]; and
/// those of [`DataFactory::training`].
pub fn security_events(factory: &FactoryConfig, config: &EventConfig, planted: usize) -> Result<Sample, Error> {
    let days = days_of(config)?;
    check_settings(config)?;
    let departments = Department::all(factory)?;
    let mean_events = config.sessions_per_day * f64::from(config.accesses_per_session) * days.len() as f64;
    let users: u64 = departments.iter().map(|department| department.users).sum();
    check_rows((mean_events * users as f64) as u64)?;

    let training = DataFactory::new(factory.clone()).training(config.training_ratio)?;
    let stage = Stage { config, departments: &departments };
    let mut events = stage.normal_events(&training, &days);
    let anomalies = stage.planted_events(planted, days[days.len() - 1])?;
    let mut ground_truth: Vec<PlantedAnomaly> = anomalies.iter().map(as_ground_truth).collect();
    events.extend(anomalies);

    events.sort_by(|a, b| {
        let by_time = a.time_generated.cmp(&b.time_generated);
        by_time.then_with(|| (&a.account, &a.share_name).cmp(&(&b.account, &b.share_name)))
    });
    ground_truth.sort_by(|a, b| (a.time, &a.account, &a.share_name).cmp(&(b.time, &b.account, &b.share_name)));
    Ok(Sample { events, ground_truth })
}

fn as_ground_truth(event: &SecurityEvent) -> PlantedAnomaly {
    PlantedAnomaly { account: event.account.clone(), share_name: event.share_name.clone(), time: event.time_generated }
}

/// The midnights at which the days begin; at least one.
fn days_of(config: &EventConfig) -> Result<Vec<DateTime<Utc>>, Error> {
    if !(1..=MOST_DAYS).contains(&config.days) {
        return Err(invalid("days", format!("{} is not in 1..={MOST_DAYS}", config.days)));
    }
    let first = config.start.date_naive().and_time(NaiveTime::MIN).and_utc();
    let days = (0..u64::from(config.days)).map(|day| first.checked_add_days(Days::new(day)));
    // The day after the last must exist too, or its times could not be computed.
    match first.checked_add_days(Days::new(u64::from(config.days) + 1)) {
        Some(_) => Ok(days.flatten().collect()),
        None => Err(invalid("start", format!("{} days later there is no calendar", config.days))),
    }
}

fn check_settings(config: &EventConfig) -> Result<(), Error> {
    if !(0.0..=MOST_SESSIONS_PER_DAY).contains(&config.sessions_per_day) {
        let problem = format!("{} is not in 0..={MOST_SESSIONS_PER_DAY}", config.sessions_per_day);
        return Err(invalid("sessions_per_day", problem));
    }
    if !(1..=MOST_ACCESSES_PER_SESSION).contains(&config.accesses_per_session) {
        let problem = format!("{} is not in 1..={MOST_ACCESSES_PER_SESSION}", config.accesses_per_session);
        return Err(invalid("accesses_per_session", problem));
    }
    if !(0.0..=1.0).contains(&config.weekend_share) {
        return Err(invalid("weekend_share", format!("{} is not in 0..=1", config.weekend_share)));
    }
    if config.domain.is_empty() {
        return Err(invalid("domain", "it is empty".to_owned()));
    }
    Ok(())
}

fn invalid(setting: &'static str, problem: String) -> Error {
    Error::InvalidEvents { setting, problem }
}

/// A user with what the events say about him or her.
struct Actor {
    name: String,
    ip_address: String,
    sid: String,
}

/// The shares a user works with, to be drawn by weight.
struct Habits<'a> {
    shares: Vec<&'a str>,
    /// Running sums of the likelihoods.
    weights: Vec<f64>,
}

impl<'a> Habits<'a> {
    fn add(&mut self, access: &'a Access) {
        let sum = self.weights.last().copied().unwrap_or(0.0);
        self.shares.push(&access.res);
        self.weights.push(sum + access.likelihood);
    }

    fn draw(&self, random: &mut ChaCha8Rng) -> Option<&'a str> {
        let ticket = random.random::<f64>() * self.weights.last()?;
        let winner = self.weights.partition_point(|sum| *sum <= ticket);
        self.shares.get(winner.min(self.shares.len() - 1)).copied()
    }
}

/// One logon of a user on the file servers.
struct Session {
    begin_ms: f64,
    logon_id: String,
    port: String,
}

impl Session {
    fn draw(random: &mut ChaCha8Rng) -> Session {
        // The mean of two uniform numbers makes noon busier than morning and evening.
        let middle_of_two = (random.random::<f64>() + random.random::<f64>()) / 2.0;
        Session {
            begin_ms: FIRST_SESSION_MS + middle_of_two * (LAST_SESSION_MS - FIRST_SESSION_MS),
            logon_id: format!("{:#x}", random.random_range(0x1_0000_u32..=u32::MAX)),
            port: random.random_range(CLIENT_PORTS).to_string(),
        }
    }

    fn moment(&self, day: DateTime<Utc>, random: &mut ChaCha8Rng) -> DateTime<Utc> {
        let offset = self.begin_ms + random.random::<f64>() * HOUR_MS;
        day + TimeDelta::milliseconds(offset as i64)
    }
}

struct Stage<'a> {
    config: &'a EventConfig,
    departments: &'a [Department],
}

impl Stage<'_> {
    fn normal_events(&self, training: &[Access], days: &[DateTime<Utc>]) -> Vec<SecurityEvent> {
        let mut random = random_stream(self.config.seed, Stream::Events);
        let mut events = Vec::new();
        for (actor, habits) in self.actors(training) {
            for &day in days {
                for _ in 0..self.sessions_on(day, &mut random) {
                    self.play_session(&actor, &habits, day, &mut random, &mut events);
                }
            }
        }
        events
    }

    /// Every user with his or her habits, in the order of the departments.
    fn actors<'a>(&self, training: &'a [Access]) -> Vec<(Actor, Habits<'a>)> {
        let mut actors = Vec::new();
        let mut places = HashMap::new();
        for (number, department) in self.departments.iter().enumerate() {
            for user in 0..department.users {
                places.insert(department.user(user), actors.len());
                let habits = Habits { shares: Vec::new(), weights: Vec::new() };
                actors.push((self.actor(number, user), habits));
            }
        }
        for access in training {
            if let Some(&place) = places.get(&access.user) {
                actors[place].1.add(access);
            }
        }
        actors
    }

    fn actor(&self, department: usize, user: u64) -> Actor {
        let before: u64 = self.departments[..department].iter().map(|department| department.users).sum();
        Actor {
            name: self.departments[department].user(user),
            ip_address: format!("10.{}.{}.{}", department + 1, user / 250 % 256, user % 250 + 4),
            sid: format!("S-1-5-21-1004336348-1177238915-682003330-{}", 1_100 + before + user),
        }
    }

    fn sessions_on(&self, day: DateTime<Utc>, random: &mut ChaCha8Rng) -> u32 {
        let weekend = matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
        let share = if weekend { self.config.weekend_share } else { 1.0 };
        poisson(self.config.sessions_per_day * share, random)
    }

    fn play_session(
        &self,
        actor: &Actor,
        habits: &Habits<'_>,
        day: DateTime<Utc>,
        random: &mut ChaCha8Rng,
        events: &mut Vec<SecurityEvent>,
    ) {
        let session = Session::draw(random);
        let accesses = random.random_range(1..=2 * self.config.accesses_per_session - 1);
        for _ in 0..accesses {
            if let Some(share) = habits.draw(random) {
                let time = session.moment(day, random);
                events.push(self.event(actor, share, time, &session));
            }
        }
    }

    /// Cross-department accesses in working hours of the last day, so that neither hour nor volume gives them away.
    fn planted_events(&self, wanted: usize, day: DateTime<Utc>) -> Result<Vec<SecurityEvent>, Error> {
        let across = Pairs::across(self.departments);
        let available: u64 = across.iter().map(Pairs::amount).sum();
        if wanted as u64 > available {
            return Err(Error::TooManyPlanted { wanted, available });
        }
        check_rows(wanted as u64)?;
        let mut random = random_stream(self.config.seed, Stream::Planted);
        let mut deck = Deck::new(available);
        let mut events = Vec::with_capacity(wanted);
        while events.len() < wanted {
            let Some(card) = deck.draw(&mut random) else { break };
            events.extend(self.planted_event(&across, card, day, &mut random));
        }
        Ok(events)
    }

    fn planted_event(
        &self,
        across: &[Pairs],
        mut card: u64,
        day: DateTime<Utc>,
        random: &mut ChaCha8Rng,
    ) -> Option<SecurityEvent> {
        for pairs in across {
            if card < pairs.amount() {
                let (user, resource) = pairs.indices(card);
                let department = self.departments.iter().position(|each| *each == pairs.from)?;
                let session = Session::draw(random);
                let time = session.moment(day, random);
                let actor = self.actor(department, user);
                return Some(self.event(&actor, &pairs.to.resource(resource), time, &session));
            }
            card -= pairs.amount();
        }
        None
    }

    fn event(&self, actor: &Actor, share: &str, time: DateTime<Utc>, session: &Session) -> SecurityEvent {
        let domain = &self.config.domain;
        let server = server_of(share);
        SecurityEvent {
            tenant_id: self.config.workspace_id.clone(),
            time_generated: time,
            source_system: "OpsManager".to_owned(),
            account: format!("{domain}\\{}", actor.name),
            account_type: "User".to_owned(),
            computer: format!("{server}.{}.example", domain.to_lowercase()),
            event_source_name: "Microsoft-Windows-Security-Auditing".to_owned(),
            channel: "Security".to_owned(),
            task: 12_808,
            level: "0".to_owned(),
            event_id: 5_140,
            activity: "5140 - A network share object was accessed.".to_owned(),
            subject_user_name: actor.name.clone(),
            subject_domain_name: domain.clone(),
            subject_user_sid: actor.sid.clone(),
            subject_logon_id: session.logon_id.clone(),
            object_type: "File".to_owned(),
            ip_address: actor.ip_address.clone(),
            ip_port: session.port.clone(),
            share_name: format!("\\\\*\\{share}"),
            share_local_path: format!("\\??\\D:\\Shares\\{share}"),
            access_mask: "0x1".to_owned(),
            access_list: "%%4416".to_owned(),
            r#type: "SecurityEvent".to_owned(),
            resource_id: format!(
                "{}/providers/microsoft.compute/virtualmachines/{}",
                self.config.server_group.trim_end_matches('/'),
                server.to_lowercase(),
            ),
        }
    }
}

/// Each department has a file server; the shared resource has one of its own.
fn server_of(share: &str) -> String {
    match share.split_once("_res_") {
        Some((department, _)) => format!("FS-{}-01", department.to_uppercase()),
        None => "FS-ALL-01".to_owned(),
    }
}

/// A Poisson number by Knuth's method: how many uniform factors until their product falls below e^-mean. The limit
/// is far beyond any draw for the means we allow.
fn poisson(mean: f64, random: &mut ChaCha8Rng) -> u32 {
    let floor = (-mean).exp();
    let mut product = random.random::<f64>();
    let mut number = 0;
    while product > floor && number < 1_000 {
        product *= random.random::<f64>();
        number += 1;
    }
    number
}
