//! Answers kept on disk: `--cache NAME` and `--replay NAME`.
//!
//! ```text
//! WORKSPACE/cache/NAME/KEY.parquet   the rows
//! WORKSPACE/cache/NAME/KEY.json      where they come from: connection, query, range, time, types
//! ```
//!
//! The newest answer under a name is a table of that name in local queries.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use huntbook_kql::{Catalog, KqlType};
use polars::prelude::*;
use serde::{Deserialize, Serialize};

use super::columns::Rows;
use crate::frames::column_names;
use crate::{Error, Result};

/// What is known about an answer that was kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub version: u32,
    pub key: String,
    /// Name of the connection, and what it reaches
    pub connection: String,
    pub place: String,
    pub query: String,
    /// The time range as it was asked for
    pub range: String,
    pub request_id: Option<String>,
    /// Seconds since 1970
    pub fetched: i64,
    pub rows: usize,
    /// Why the rows are not all, if they are not
    pub partial: Option<String>,
    /// KQL types by column, in order
    pub columns: Vec<(String, String)>,
}

/// A folder of answers.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
}

impl Cache {
    pub(crate) fn of_workspace(workspace: &Path) -> Cache {
        Cache { folder: workspace.join("cache") }
    }

    /// The kept answer, if there is one. `oldest`: seconds since 1970, before which it does not count.
    ///
    /// Errors: an answer that is there but cannot be read.
    pub(crate) fn find(&self, name: &str, key: &str, oldest: Option<i64>) -> Result<Option<(Entry, Rows)>> {
        let folder = self.named(name)?;
        let Some(entry) = read_entry(&folder.join(format!("{key}.json")))? else { return Ok(None) };
        if oldest.is_some_and(|oldest| entry.fetched < oldest) {
            return Ok(None);
        }
        let path = folder.join(format!("{key}.parquet"));
        let file = File::open(&path).map_err(|error| Error::io("read", &path, &error))?;
        let frame = ParquetReader::new(file).finish().map_err(|error| damaged(&path, &error.to_string()))?;
        let types = entry.columns.iter().map(|(_, name)| KqlType::from_name(name).unwrap_or(KqlType::String)).collect();
        if frame.width() != entry.columns.len() {
            return Err(damaged(&path, "its columns are not those that were kept"));
        }
        Ok(Some((entry, Rows { frame, types })))
    }

    /// Keeps an answer, in place of an older one to the same question.
    pub(crate) fn keep(&self, name: &str, mut entry: Entry, rows: &Rows) -> Result<()> {
        let folder = self.named(name)?;
        fs::create_dir_all(&folder).map_err(|error| Error::io("make the folder", &folder, &error))?;
        let types = column_names(&rows.frame).zip(&rows.types);
        entry.columns = types.map(|(column, kind)| (column.to_owned(), kind.name().to_owned())).collect();
        let path = folder.join(format!("{}.parquet", entry.key));
        replace(&path, |file| Ok(ParquetWriter::new(file).finish(&mut rows.frame.clone()).map(drop)?))?;
        let text = serde_json::to_vec_pretty(&entry).map_err(|error| Error::new("CacheError", error.to_string()))?;
        let path = folder.join(format!("{}.json", entry.key));
        replace(&path, |mut file| {
            use std::io::Write;
            file.write_all(&text).map_err(|error| Error::io("write", &path, &error))
        })
    }

    /// What is kept: names with their answers, newest first.
    pub(crate) fn list(&self) -> Vec<(String, Vec<Entry>)> {
        let names = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut found: Vec<(String, Vec<Entry>)> = names
            .filter_map(|folder| Some((folder.file_name().into_string().ok()?, entries(&folder.path()))))
            .filter(|(_, entries)| !entries.is_empty())
            .collect();
        found.sort_by(|left, right| left.0.cmp(&right.0));
        found
    }

    /// Removes all answers of a name; says how many there were.
    pub(crate) fn remove(&self, name: &str) -> Result<usize> {
        let folder = self.named(name)?;
        let count = entries(&folder).len();
        match fs::remove_dir_all(&folder) {
            Ok(()) => Ok(count),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(Error::io("remove", &folder, &error)),
        }
    }

    fn named(&self, name: &str) -> Result<PathBuf> {
        let sound =
            !name.is_empty() && name.len() <= 100 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !sound {
            return Err(Error::new(
                "CacheError",
                format!(
                    "`{name}` cannot be the name of a cache: it is letters, digits and `_`, so that queries can name it"
                ),
            ));
        }
        Ok(self.folder.join(name))
    }
}

/// The key of a question: everything that decides the answer, and nothing of who asks.
pub(crate) fn key(parts: &[&str]) -> String {
    // Two lines of FNV-1a, one over each half of what tells questions apart: no need for a cryptographic hash here.
    let hash = |seed: u64| {
        let bytes = parts.iter().flat_map(|part| part.bytes().chain([0xFF]));
        bytes.fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3))
    };
    format!("{:016x}{:016x}", hash(0xCBF2_9CE4_8422_2325), hash(0x9E37_79B9_7F4A_7C15))
}

fn entries(folder: &Path) -> Vec<Entry> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path());
    let mut found: Vec<Entry> = files
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .filter_map(|path| read_entry(&path).ok().flatten())
        .collect();
    found.sort_by_key(|entry| std::cmp::Reverse(entry.fetched));
    found
}

fn read_entry(path: &Path) -> Result<Option<Entry>> {
    match fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| damaged(path, &error.to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path, &error)),
    }
}

fn replace(path: &Path, write: impl FnOnce(File) -> Result<()>) -> Result<()> {
    let temporary = path.with_extension(format!("{}.tmp", uuid::Uuid::new_v4().simple()));
    let fail = |error: std::io::Error| Error::io("write", path, &error);
    let written = File::create_new(&temporary)
        .map_err(fail)
        .and_then(write)
        .and_then(|()| fs::rename(&temporary, path).map_err(fail));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn damaged(path: &Path, why: &str) -> Error {
    Error::new(
        "CacheError",
        format!("{} is damaged: {why}. Remove it, or run the query without --cache", path.display()),
    )
}

/// Kept answers as tables, by the names of their caches.
pub(crate) struct Cached {
    cache: Cache,
}

impl Cached {
    pub(crate) fn new(cache: Cache) -> Cached {
        Cached { cache }
    }

    fn newest(&self, name: &str) -> Option<(PathBuf, Entry)> {
        let folder = self.cache.named(name).ok()?;
        let entry = entries(&folder).into_iter().next()?;
        Some((folder.join(format!("{}.parquet", entry.key)), entry))
    }
}

impl Catalog for Cached {
    fn table_names(&self) -> Vec<String> {
        self.cache.list().into_iter().map(|(name, _)| name).collect()
    }

    fn table(&self, name: &str) -> std::result::Result<Option<LazyFrame>, String> {
        let Some((path, _)) = self.newest(name) else { return Ok(None) };
        let scan = || LazyFrame::scan_parquet(PlRefPath::try_from_path(&path)?, ScanArgsParquet::default());
        scan().map(Some).map_err(|error: PolarsError| error.to_string())
    }

    fn column_type(&self, table: &str, column: &str) -> Option<KqlType> {
        let (_, entry) = self.newest(table)?;
        let (_, kind) = entry.columns.into_iter().find(|(name, _)| name == column)?;
        KqlType::from_name(&kind).filter(|kind| matches!(kind, KqlType::Dynamic | KqlType::Guid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, fetched: i64) -> Entry {
        Entry {
            version: 1,
            key: key.to_owned(),
            connection: "prod".into(),
            place: "loganalytics workspace w".into(),
            query: "T".into(),
            range: String::new(),
            request_id: None,
            fetched,
            rows: 1,
            partial: None,
            columns: Vec::new(),
        }
    }

    fn rows(n: i64) -> Rows {
        let frame = df!("n" => [n], "bag" => [r#"{"a":5}"#]).unwrap();
        Rows { frame, types: vec![KqlType::Long, KqlType::Dynamic] }
    }

    #[test]
    fn an_answer_comes_back_until_it_is_too_old() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::of_workspace(folder.path());
        let key = key(&["a"]);
        assert!(cache.find("hits", &key, None).unwrap().is_none());
        cache.keep("hits", entry(&key, 100), &rows(7)).unwrap();
        let (found, kept) = cache.find("hits", &key, Some(100)).unwrap().unwrap();
        assert_eq!((found.fetched, kept.types, kept.frame.height()), (100, rows(7).types, 1));
        assert!(cache.find("hits", &key, Some(101)).unwrap().is_none());
        assert!(cache.find("../x", &key, None).is_err());
        assert_eq!((cache.list().len(), cache.remove("hits").unwrap(), cache.list().len()), (1, 1, 0));
    }

    #[test]
    fn the_newest_answer_is_a_table() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::of_workspace(folder.path());
        cache.keep("hits", entry("k1", 200), &rows(2)).unwrap();
        cache.keep("hits", entry("k2", 100), &rows(1)).unwrap();
        let engine = huntbook_kql::Engine::new(Cached::new(cache));
        let found = engine.run("hits | where n == 2 and bag.a == 5").unwrap();
        assert_eq!(found.frame.height(), 1);
    }

    #[test]
    fn a_damaged_answer_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::of_workspace(folder.path());
        cache.keep("hits", entry("k", 1), &rows(1)).unwrap();
        fs::write(folder.path().join("cache/hits/k.parquet"), "x").unwrap();
        let error = cache.find("hits", "k", None).unwrap_err();
        assert!(error.message.contains("k.parquet"), "{error}");
    }

    #[test]
    fn keys_tell_questions_apart() {
        let keys = [key(&["ab", "c"]), key(&["a", "bc"]), key(&["abc"]), key(&["abc", ""])];
        assert!((1..4).all(|at| !keys[..at].contains(&keys[at])), "{keys:?}");
    }
}
