//! Magics about the session itself: its variables, environment, files, time and shell. The kernel does these.

use crate::MagicError;
use crate::words::words;

/// What a magic asks of the session.
#[derive(Clone, Debug, PartialEq)]
pub enum SessionMagic {
    /// `%opt [LEVEL]`: how much rustc optimises the cells that follow; `None` asks.
    Optimise(Option<u8>),
    /// `%vars`
    Variables,
    /// `%who`
    Names,
    Time(Time),
    Environment(Environment),
    /// `%restart`
    Restart,
    /// `%load FILE`
    Load(String),
    Save(Save),
    /// `!COMMAND`, `%sh COMMAND`, `%%bash`
    Shell(String),
    /// `%explain [CODE]`; `None` is the last compile error
    Explain(Option<String>),
}

/// `%time [-v] CODE` and `%%time [-v]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Time {
    pub verbose: bool,
    /// Bytes of the magic's text in front of the code, which is Rust or another magic. `None`: the rest of the cell.
    pub code: Option<usize>,
}

/// `%env`
#[derive(Clone, PartialEq)]
pub enum Environment {
    List,
    Get(String),
    Set { name: String, value: String },
}

/// The value may be a secret.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Environment::List => f.write_str("List"),
            Environment::Get(name) => write!(f, "Get({name})"),
            Environment::Set { name, .. } => write!(f, "Set({name})"),
        }
    }
}

/// `%save FILE [CELLS] [--force]`
#[derive(Clone, Debug, PartialEq)]
pub struct Save {
    pub file: String,
    /// Numbers of cells, first and last; none are all cells. An open end is `u64::MAX`.
    pub cells: Vec<(u64, u64)>,
    /// Writes over a file that is there.
    pub force: bool,
}

impl Save {
    pub fn wants(&self, cell: u64) -> bool {
        self.cells.is_empty() || self.cells.iter().any(|(first, last)| (*first..=*last).contains(&cell))
    }
}

pub(crate) const NAMES: [&str; 11] =
    ["opt", "vars", "who", "time", "env", "restart", "load", "save", "sh", "bash", "explain"];

impl SessionMagic {
    /// `rest` is what follows the name in `text`, the whole magic.
    pub(crate) fn parse(name: &str, rest: &str, text: &str) -> Result<SessionMagic, MagicError> {
        Ok(match name {
            "opt" => SessionMagic::Optimise(level(rest)?),
            "vars" => crate::no_arguments(rest, name).map(|()| SessionMagic::Variables)?,
            "who" => crate::no_arguments(rest, name).map(|()| SessionMagic::Names)?,
            "time" => SessionMagic::Time(time(rest, text)?),
            "env" => SessionMagic::Environment(environment(rest)?),
            "restart" => crate::no_arguments(rest, name).map(|()| SessionMagic::Restart)?,
            "load" => SessionMagic::Load(one_file(rest)?),
            "save" => SessionMagic::Save(save(rest)?),
            "sh" | "bash" => SessionMagic::Shell(command(rest, name)?),
            _ => SessionMagic::Explain(error_code(rest)?),
        })
    }
}

fn level(rest: &str) -> Result<Option<u8>, MagicError> {
    match rest.trim() {
        "" => Ok(None),
        level @ ("0" | "1" | "2" | "3") => Ok(Some(level.as_bytes()[0] - b'0')),
        other => Err(MagicError::usage(format!(
            "`%opt` takes 0 (cells compile fastest) to 3 (they run fastest), not `{other}`"
        ))),
    }
}

fn time(rest: &str, text: &str) -> Result<Time, MagicError> {
    let mut code = rest.trim_start();
    let is_flag = |code: &str| code == "-v" || code.starts_with("-v ") || code.starts_with("-v\n");
    let verbose = is_flag(code);
    if verbose {
        code = code["-v".len()..].trim_start();
    }
    if text.trim_start().starts_with("%%") {
        return match code.trim() {
            "" => Ok(Time { verbose, code: None }),
            _ => Err(MagicError::usage("`%%time` times the lines below it: its own line takes only `-v`")),
        };
    }
    if code.trim().is_empty() {
        return Err(MagicError::usage("`%time` needs code: `%time hits.height()`, or `%%time` above a whole cell"));
    }
    Ok(Time { verbose, code: Some(text.len() - code.len()) })
}

fn environment(rest: &str) -> Result<Environment, MagicError> {
    let rest = rest.trim();
    if rest.is_empty() {
        return Ok(Environment::List);
    }
    let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
    let (name, value) = (&rest[..end], rest[end..].trim_start());
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if !is_name {
        return Err(MagicError::usage("`%env` takes nothing, NAME or NAME=VALUE"));
    }
    if value.is_empty() {
        return Ok(Environment::Get(name.to_owned()));
    }
    // The value is taken as it stands: quotes in it are part of it only if they do not enclose all of it.
    let value = value.strip_prefix('=').unwrap_or(value).trim();
    let quoted = |quote: char| value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote));
    let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
    if value.contains('\0') {
        return Err(MagicError::usage("the value of an environment variable cannot hold a zero character"));
    }
    Ok(Environment::Set { name: name.to_owned(), value: value.to_owned() })
}

fn one_file(rest: &str) -> Result<String, MagicError> {
    let mut words = words(rest)?;
    match (words.pop(), words.is_empty()) {
        (Some(file), true) if !file.is_empty() => Ok(file),
        (None, _) => Err(MagicError::usage("`%load` needs a file: `%load queries/logons.rs`")),
        _ => Err(MagicError::usage("`%load` takes one file: a name with blanks stands in quotes")),
    }
}

fn save(rest: &str) -> Result<Save, MagicError> {
    let mut save = Save { file: String::new(), cells: Vec::new(), force: false };
    for word in words(rest)? {
        match word.as_str() {
            "--force" | "-f" => save.force = true,
            option if option.starts_with('-') && option.len() > 1 => {
                return Err(MagicError::usage(format!("`%save` has no option `{option}`; it has: --force")));
            }
            _ if save.file.is_empty() => save.file = word,
            range => save.cells.push(cell_range(range)?),
        }
    }
    if save.file.is_empty() {
        return Err(MagicError::usage("`%save` needs a file: `%save hunt.rs` or `%save hunt.rs 3-8`"));
    }
    Ok(save)
}

/// `3`, `3-8` or `3-`.
fn cell_range(text: &str) -> Result<(u64, u64), MagicError> {
    let wrong = || MagicError::usage(format!("`{text}` is not a range of cells, such as 3, 3-8 or 3-"));
    let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
    let (first, last) = match text.split_once('-') {
        None => (number(text)?, number(text)?),
        Some((first, "")) => (number(first)?, u64::MAX),
        Some((first, last)) => (number(first)?, number(last)?),
    };
    if first > last { Err(wrong()) } else { Ok((first, last)) }
}

pub(crate) fn command(rest: &str, name: &str) -> Result<String, MagicError> {
    match rest.trim() {
        "" => Err(MagicError::usage(format!("`{}` needs a command, such as `!ls -l`", shown(name)))),
        command => Ok(command.to_owned()),
    }
}

fn shown(name: &str) -> String {
    if name == "!" { name.to_owned() } else { format!("%{name}") }
}

fn error_code(rest: &str) -> Result<Option<String>, MagicError> {
    let code = rest.trim().trim_start_matches("error").trim_matches(['[', ']', ':']);
    if code.is_empty() {
        return Ok(None);
    }
    let digits = code.strip_prefix(['E', 'e']).unwrap_or(code);
    if digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(Some(format!("E{digits}")));
    }
    Err(MagicError::usage(format!("`%explain` takes a code of the compiler, such as E0382, not `{code}`")))
}

/// Words that may stand at the end of `typed`, the arguments so far; and how many bytes of it they replace.
pub(crate) fn arguments(name: &str, typed: &str, base: &std::path::Path) -> (usize, Vec<String>) {
    let word = typed.rsplit(char::is_whitespace).next().unwrap_or_default();
    let starting = |words: &[&str]| -> Vec<String> {
        words.iter().filter(|candidate| candidate.starts_with(word)).map(|word| (*word).to_owned()).collect()
    };
    let found = match name {
        "opt" => starting(&["0", "1", "2", "3"]),
        "time" => starting(&["-v"]),
        "save" if word.starts_with('-') => starting(&["--force"]),
        "load" | "save" => files(word, base),
        "env" if !typed.contains('=') => {
            let mut names: Vec<String> = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
            names.retain(|name| name.starts_with(word));
            names.sort();
            names
        }
        _ => Vec::new(),
    };
    (word.len(), found)
}

/// Files and folders whose path begins with what was typed; folders end with a slash.
fn files(typed: &str, base: &std::path::Path) -> Vec<String> {
    let (folder, prefix) = typed.rfind('/').map_or(("", typed), |at| typed.split_at(at + 1));
    let Ok(entries) = std::fs::read_dir(base.join(folder)) else { return Vec::new() };
    let mut found: Vec<String> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let is_hidden = name.starts_with('.') && !prefix.starts_with('.');
            let slash = if entry.path().is_dir() { "/" } else { "" };
            (name.starts_with(prefix) && !is_hidden).then(|| format!("{folder}{name}{slash}"))
        })
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Magic;

    fn parsed(text: &str) -> SessionMagic {
        match Magic::parse(text).unwrap() {
            Magic::Session(magic) => magic,
            other => panic!("{text} is {other:?}"),
        }
    }

    fn refused(text: &str) -> String {
        Magic::parse(text).unwrap_err().message
    }

    #[test]
    fn optimisation_has_four_levels() {
        assert_eq!(parsed("%opt 3"), SessionMagic::Optimise(Some(3)));
        assert_eq!(parsed("%opt"), SessionMagic::Optimise(None));
        assert!(refused("%opt 4").contains("0 (cells compile fastest)"));
        assert!(refused("%opt fast").contains("`fast`"));
    }

    #[test]
    fn timing_knows_where_its_code_begins() {
        for (text, verbose) in [("%time hits.height()", false), ("  %time -v hits.height()", true)] {
            let SessionMagic::Time(time) = parsed(text) else { panic!("{text}") };
            assert_eq!((&text[time.code.unwrap()..], time.verbose), ("hits.height()", verbose));
        }
        assert_eq!(parsed("%%time"), SessionMagic::Time(Time { verbose: false, code: None }));
        assert_eq!(parsed("%%time -v"), SessionMagic::Time(Time { verbose: true, code: None }));
        let SessionMagic::Time(time) = parsed("%time -vector.len()") else { panic!() };
        assert!(!time.verbose, "a negative value is no option");
        assert!(refused("%time").contains("needs code"));
        assert!(refused("%%time 1 + 1").contains("lines below"));
    }

    #[test]
    fn the_environment_is_listed_read_and_set() {
        let set = |name: &str, value: &str| {
            SessionMagic::Environment(Environment::Set { name: name.to_owned(), value: value.to_owned() })
        };
        assert_eq!(parsed("%env"), SessionMagic::Environment(Environment::List));
        assert_eq!(parsed("%env HOME"), SessionMagic::Environment(Environment::Get("HOME".into())));
        assert_eq!(parsed("%env A=b c=d"), set("A", "b c=d"));
        assert_eq!(parsed("%env A = \"b c\""), set("A", "b c"));
        assert_eq!(parsed("%env A b"), set("A", "b"));
        assert_eq!(parsed("%env A="), set("A", ""));
        assert!(refused("%env =b").contains("NAME=VALUE"));
        assert!(!format!("{:?}", parsed("%env A=hidden")).contains("hidden"));
    }

    #[test]
    fn saving_takes_cells_and_ranges() {
        let SessionMagic::Save(save) = parsed("%save 'my hunt.rs' 2 4-5 9- --force") else { panic!() };
        assert_eq!((save.file.as_str(), save.force), ("my hunt.rs", true));
        let wanted: Vec<u64> = (1..12).filter(|cell| save.wants(*cell)).collect();
        assert_eq!(wanted, [2, 4, 5, 9, 10, 11]);
        let SessionMagic::Save(all) = parsed("%save hunt.rs") else { panic!() };
        assert!(all.wants(1) && all.wants(77) && !all.force);
        for wrong in ["%save h 5-4", "%save h x", "%save h 1-2-3", "%save h 99999999999999999999"] {
            assert!(refused(wrong).contains("range of cells"), "{wrong}");
        }
        assert!(refused("%save").contains("needs a file"));
        assert!(refused("%save h --hard").contains("--force"));
    }

    #[test]
    fn commands_are_taken_as_they_stand() {
        assert_eq!(parsed("!ls -l | wc"), SessionMagic::Shell("ls -l | wc".into()));
        assert_eq!(parsed("%sh echo 'a  b'"), SessionMagic::Shell("echo 'a  b'".into()));
        assert_eq!(parsed("%%bash\ncd /\nls"), SessionMagic::Shell("cd /\nls".into()));
        assert!(refused("!").contains("needs a command"));
        assert!(matches!(Magic::parse("%%bash"), Ok(Magic::Help(_))));
    }

    #[test]
    fn codes_are_read_in_every_spelling() {
        for text in ["%explain E0382", "%explain e0382", "%explain 0382", "%explain error[E0382]:"] {
            assert_eq!(parsed(text), SessionMagic::Explain(Some("E0382".into())), "{text}");
        }
        assert_eq!(parsed("%explain"), SessionMagic::Explain(None));
        assert!(refused("%explain --help-me").contains("E0382"));
    }

    #[test]
    fn arguments_are_completed() {
        let base = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(arguments("load", "src/sess", base), (8, vec!["src/session.rs".to_owned()]));
        assert_eq!(arguments("load", "sr", base).1, ["src/"]);
        assert_eq!(arguments("time", "-", base).1, ["-v"]);
        assert_eq!(arguments("load", "nowhere/x", base).1, Vec::<String>::new());
        assert!(arguments("env", "PAT", base).1.contains(&"PATH".to_owned()));
    }
}
