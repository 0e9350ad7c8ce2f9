//! Where the time of a Rust cell goes. The kernel sees only its two ends: the stand-in for cargo and the cell process
//! write down what lies between.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// Lines of numbers, one per build: when it began, how long it took, and how much of that was rustc, in nanoseconds.
const BUILDS: &str = "builds.txt";
/// How long rustc took for the cell, while cargo still runs; nanoseconds.
const RUSTC: &str = "rustc.txt";

/// The parts of a cell's time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Phases {
    /// rust-analyzer finds the types of variables
    pub(crate) inference: Duration,
    pub(crate) cargo: Duration,
    pub(crate) rustc: Duration,
    /// The cell process loads the shared object
    pub(crate) load: Duration,
    /// The cell's function, with the checkpoint before it
    pub(crate) run: Duration,
}

impl Phases {
    pub(crate) fn named(&self) -> [(&'static str, Duration); 5] {
        [
            ("type inference", self.inference),
            ("cargo", self.cargo),
            ("rustc", self.rustc),
            ("load", self.load),
            ("run", self.run),
        ]
    }
}

impl std::ops::AddAssign for Phases {
    fn add_assign(&mut self, other: Phases) {
        self.inference += other.inference;
        self.cargo += other.cargo;
        self.rustc += other.rustc;
        self.load += other.load;
        self.run += other.run;
    }
}

/// Measures one cell, from its beginning to [`Stopwatch::phases`].
pub(super) struct Stopwatch {
    folder: PathBuf,
    began: SystemTime,
}

impl Stopwatch {
    pub(super) fn start(folder: &Path) -> Stopwatch {
        let _ = fs::remove_file(folder.join(BUILDS));
        Stopwatch { folder: folder.to_owned(), began: SystemTime::now() }
    }

    /// `load` is what the cell process has told, if it came so far.
    pub(super) fn phases(&self, load: Option<Duration>) -> Phases {
        let builds = fs::read_to_string(self.folder.join(BUILDS)).unwrap_or_default();
        let began = self.began.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let ended = began + self.began.elapsed().unwrap_or_default();
        phases(&builds, began, ended, load)
    }
}

fn phases(builds: &str, began: Duration, ended: Duration, load: Option<Duration>) -> Phases {
    let mut phases = Phases::default();
    let mut last_end = None;
    for line in builds.lines() {
        let mut numbers = line.split(' ').map(|number| number.parse().map(Duration::from_nanos));
        let (Some(Ok(start)), Some(Ok(took)), Some(Ok(rustc))) = (numbers.next(), numbers.next(), numbers.next())
        else {
            continue;
        };
        // Between two builds, evcxr looks at what the first one said.
        phases.inference += start.saturating_sub(last_end.unwrap_or(began));
        phases.rustc += rustc;
        phases.cargo += took.saturating_sub(rustc);
        last_end = Some(start + took);
    }
    let rest = ended.saturating_sub(last_end.unwrap_or(began));
    match load {
        Some(load) => {
            phases.load = load;
            phases.run = rest.saturating_sub(load);
        }
        // It did not come to running: what followed was evcxr's.
        None => phases.inference += rest,
    }
    phases
}

/// A build that runs in a stand-in for cargo.
pub(super) struct Build {
    began: SystemTime,
    clock: Instant,
}

impl Build {
    pub(super) fn start(folder: &Path) -> Build {
        let _ = fs::remove_file(folder.join(RUSTC));
        Build { began: SystemTime::now(), clock: Instant::now() }
    }

    /// `rustc` where it is known; else it is what the recorder has written down. A measurement that cannot be kept is no
    /// reason to fail.
    pub(super) fn end(self, folder: &Path, rustc: Option<Duration>) {
        let told = || fs::read_to_string(folder.join(RUSTC)).ok()?.parse().map(Duration::from_nanos).ok();
        let rustc = rustc.or_else(told).unwrap_or_default();
        let began = self.began.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let line = format!("{} {} {}\n", began.as_nanos(), self.clock.elapsed().as_nanos(), rustc.as_nanos());
        let file = fs::File::options().create(true).append(true).open(folder.join(BUILDS));
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }
}

/// Written by the recorder, below cargo.
pub(super) fn tell_rustc(folder: &Path, took: Duration) {
    let _ = fs::write(folder.join(RUSTC), took.as_nanos().to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn the_phases_of_a_cell_make_up_its_time() {
        let nanoseconds = |times: [u64; 3]| times.map(|time| (time * 1_000_000).to_string()).join(" ");
        let builds = format!("{}\n{}\n", nanoseconds([1100, 50, 40]), nanoseconds([1160, 30, 30]));
        let found = phases(&builds, ms(1000), ms(1200), Some(ms(3)));
        let wanted = Phases { inference: ms(110), cargo: ms(10), rustc: ms(70), load: ms(3), run: ms(7) };
        assert_eq!(found, wanted);
        let sum: Duration = found.named().iter().map(|(_, time)| *time).sum();
        assert_eq!(sum, ms(200));
    }

    #[test]
    fn a_cell_that_did_not_run_was_only_looked_at() {
        let found = phases("not numbers\n", ms(10), ms(30), None);
        assert_eq!(found, Phases { inference: ms(20), ..Phases::default() });
    }

    #[test]
    fn builds_are_written_down() {
        let folder = tempfile::tempdir().unwrap();
        let stopwatch = Stopwatch::start(folder.path());
        let build = Build::start(folder.path());
        tell_rustc(folder.path(), ms(5));
        build.end(folder.path(), None);
        let found = stopwatch.phases(Some(Duration::ZERO));
        assert_eq!(found.rustc, ms(5));
    }
}
