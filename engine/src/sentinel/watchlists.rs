//! Watchlists: lists of hosts, accounts or addresses that queries look up with `_GetWatchlist('alias')`.

use std::io::Write;
use std::path::PathBuf;

use huntbook_kql::batch;
use polars::prelude::*;
use serde_json::{Map, Value as Json, json};

use super::incidents::DRY_RUN;
use super::place::Place;
use super::{in_kql_types, sentinel_error};
use crate::{Engine, Error, Result};

/// The service takes a request of about 3.8 MB.
const MAX_CONTENT: usize = 3_800_000;
/// More items than a watchlist that queries can use.
const MAX_ITEMS: usize = 10_000_000;

impl Engine {
    /// Aliases of the watchlists, with their search keys and titles.
    pub fn watchlists(&self, place: &Place) -> Result<DataFrame> {
        let rows: Vec<[String; 3]> = match place {
            Place::Local => {
                let aliases = huntbook_kql::catalogs::Watchlists::new(self.watchlist_folder()).aliases();
                let described = |alias: String| {
                    let key = first_line(&self.watchlist_path(&alias)).unwrap_or_default();
                    [alias.clone(), key, alias]
                };
                aliases.into_iter().map(described).collect()
            }
            Place::Service(service) => {
                let text = |resource: &Json, key: &str| {
                    let value = resource.get("properties").and_then(|properties| properties.get(key));
                    value.and_then(Json::as_str).unwrap_or_default().to_owned()
                };
                let found = service.list("watchlists", &[], MAX_ITEMS)?;
                let row = |found: &Json| {
                    [text(found, "watchlistAlias"), text(found, "itemsSearchKey"), text(found, "displayName")]
                };
                found.iter().map(row).collect()
            }
        };
        let column = |name: &str, at: usize| {
            Column::new(name.into(), rows.iter().map(|row| row[at].clone()).collect::<Vec<String>>())
        };
        Ok(DataFrame::new(rows.len(), vec![column("WatchlistAlias", 0), column("SearchKey", 1), column("Title", 2)])?)
    }

    /// The items of a watchlist, a column per field.
    pub fn watchlist(&self, place: &Place, alias: &str) -> Result<DataFrame> {
        check_alias(alias)?;
        match place {
            Place::Local => {
                let query = format!("_GetWatchlist('{alias}')");
                let engine =
                    huntbook_kql::Engine::new(huntbook_kql::catalogs::Watchlists::new(self.watchlist_folder()));
                let answer = engine.run(&query).map_err(|error| sentinel_error(error.render(&query)))?;
                Ok(answer.frame)
            }
            Place::Service(service) => {
                let Some(_) = service.find(&format!("watchlists/{alias}"))? else {
                    return Err(sentinel_error(format!("there is no watchlist `{alias}` in the {place}")));
                };
                let items = service.list(&format!("watchlists/{alias}/watchlistItems"), &[], MAX_ITEMS)?;
                items_frame(&items)
            }
        }
    }

    /// Makes a frame a watchlist in the place of one of that alias, or with `commit` false only says so. `key` is the column
    /// that queries look up; the first one if not given.
    pub fn put_watchlist(
        &self,
        place: &Place,
        alias: &str,
        frame: &DataFrame,
        key: Option<&str>,
        title: Option<&str>,
        commit: bool,
    ) -> Result<String> {
        check_alias(alias)?;
        let names: Vec<&str> = frame.get_column_names().iter().map(|name| name.as_str()).collect();
        let Some(first) = names.first() else {
            return Err(sentinel_error("the frame has no columns: there is nothing to put"));
        };
        let key = key.unwrap_or(first);
        if !names.contains(&key) {
            let message = format!("the frame has no column `{key}` to look up; it has: {}", names.join(", "));
            return Err(Error::new("ColumnError", message));
        }
        let content = csv(frame, key)?;
        let old = self.old_size(place, alias)?;
        let was = old.map_or("new".to_owned(), |rows| format!("in the place of {rows} row(s)"));
        let report = format!(
            "watchlist {alias} ({place}): {} row(s) × {} column(s), looked up by `{key}`, {was}",
            frame.height(),
            frame.width()
        );
        if matches!(place, Place::Service(_)) && content.len() > MAX_CONTENT {
            return Err(sentinel_error(format!(
                "the watchlist would be {} bytes, the service takes {MAX_CONTENT} at once: keep the columns and rows that queries look up",
                content.len()
            )));
        }
        if !commit {
            return Ok(format!("{report}\n{DRY_RUN}"));
        }
        match place {
            Place::Local => self.write_watchlist(alias, &content)?,
            Place::Service(service) => {
                let mut body = json!({"properties": {
                    "displayName": title.unwrap_or(alias),
                    "provider": "huntbook",
                    "source": format!("{alias}.csv"),
                    "sourceType": "Local",
                    "itemsSearchKey": key,
                    "contentType": "text/csv",
                    "numberOfLinesToSkip": 0,
                    "rawContent": content,
                }});
                if let Some(etag) =
                    service.find(&format!("watchlists/{alias}"))?.and_then(|found| found.get("etag").cloned())
                {
                    body["etag"] = etag;
                }
                service.put(&format!("watchlists/{alias}"), &body)?;
            }
        }
        Ok(format!("{report}\nDone: _GetWatchlist('{alias}')"))
    }

    fn watchlist_folder(&self) -> PathBuf {
        self.workspace.folder().join("watchlists")
    }

    fn watchlist_path(&self, alias: &str) -> PathBuf {
        self.watchlist_folder().join(format!("{alias}.csv"))
    }

    fn old_size(&self, place: &Place, alias: &str) -> Result<Option<usize>> {
        match place {
            Place::Local if self.watchlist_path(alias).exists() => Ok(Some(self.watchlist(place, alias)?.height())),
            Place::Local => Ok(None),
            Place::Service(service) => match service.find(&format!("watchlists/{alias}"))? {
                Some(_) => Ok(Some(service.list(&format!("watchlists/{alias}/watchlistItems"), &[], MAX_ITEMS)?.len())),
                None => Ok(None),
            },
        }
    }

    /// A query reads the old file or the new one, never half of one.
    fn write_watchlist(&self, alias: &str, content: &str) -> Result<()> {
        let folder = self.watchlist_folder();
        std::fs::create_dir_all(&folder).map_err(|error| Error::io("make the folder", &folder, &error))?;
        let path = self.watchlist_path(alias);
        let temporary = folder.join(format!(".{alias}-{}.tmp", uuid::Uuid::new_v4().simple()));
        let written = std::fs::File::create_new(&temporary)
            .and_then(|mut file| file.write_all(content.as_bytes()).and_then(|()| file.sync_all()))
            .and_then(|()| std::fs::rename(&temporary, &path));
        written.map_err(|error| {
            let _ = std::fs::remove_file(&temporary);
            Error::io("write", &path, &error)
        })
    }
}

/// An alias becomes a file name and a part of an address.
fn check_alias(alias: &str) -> Result<()> {
    let is_plain = alias.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '-' | '_'));
    if !is_plain || !(3..=64).contains(&alias.len()) || !alias.starts_with(|first: char| first.is_ascii_alphanumeric())
    {
        let message = format!(
            "`{alias}` cannot be a watchlist's alias: 3 to 64 letters, digits, - or _, a letter or digit first"
        );
        return Err(sentinel_error(message));
    }
    Ok(())
}

/// The rows as CSV, the key in front: that column is the search key of a local watchlist.
fn csv(frame: &DataFrame, key: &str) -> Result<String> {
    let rows = in_kql_types(frame)?;
    let columns = rows.frame.columns().iter().zip(&rows.schema);
    let (front, rest): (Vec<_>, Vec<_>) = columns.partition(|(_, known)| known.name == key);
    let texts = front.into_iter().chain(rest).map(|(column, known)| {
        let cell = |row: usize| -> PolarsResult<_> { Ok(batch::text(&column.get(row)?, known.kql_type)) };
        let cells = (0..column.len()).map(cell).collect::<PolarsResult<Vec<Option<String>>>>()?;
        Ok(Column::new(column.name().clone(), cells))
    });
    let mut texts = DataFrame::new(frame.height(), texts.collect::<PolarsResult<Vec<Column>>>()?)?;
    let mut out = Vec::new();
    CsvWriter::new(&mut out).finish(&mut texts)?;
    String::from_utf8(out).map_err(|_| sentinel_error("the rows are not UTF-8 text"))
}

/// The search key of a local watchlist: its own column of that name, or its first.
fn first_line(path: &std::path::Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let columns =
        text.trim_start_matches('\u{feff}').lines().next()?.split(',').map(|name| name.trim().trim_matches('"'));
    let columns: Vec<&str> = columns.collect();
    columns.iter().find(|name| **name == "SearchKey").or(columns.first()).map(|name| (*name).to_owned())
}

/// Items have fields of their own: the columns are all fields that there are, in the order in which they appear.
fn items_frame(items: &[Json]) -> Result<DataFrame> {
    let fields = |item: &Json| -> Map<String, Json> {
        let fields = item.get("properties").and_then(|properties| properties.get("itemsKeyValue"));
        fields.and_then(Json::as_object).cloned().unwrap_or_default()
    };
    let rows: Vec<Map<String, Json>> = items.iter().map(fields).collect();
    let mut names: Vec<String> = Vec::new();
    for name in rows.iter().flat_map(Map::keys) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let columns = names.iter().map(|name| {
        let cells = rows.iter().map(|row| row.get(name).filter(|value| !value.is_null()).map(text));
        Column::new(name.as_str().into(), cells.collect::<Vec<Option<String>>>())
    });
    Ok(DataFrame::new(rows.len(), columns.collect())?)
}
