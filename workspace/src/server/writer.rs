//! One thread writes. Appends that wait for it together become one segment, so that many small requests cost one sync;
//! each is acknowledged when its rows are on disk.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use polars::functions::concat_df_diagonal;
use polars::prelude::DataFrame;
use tokio::sync::oneshot;

use super::records::Records;
use super::runner::Running;
use crate::{ColumnSchema, Workspace, WorkspaceError};

/// Appends of a table between two looks at whether its segments should be merged.
const BETWEEN_MERGES: usize = 8;
/// Merged segments stay so long for readers in other processes; for our own, as long as they run.
const GRACE: Duration = Duration::from_secs(60);
/// Rows of one segment that waiting appends are put into.
const ROWS_TOGETHER: usize = 200_000;

struct Job {
    table: String,
    records: Records,
    done: oneshot::Sender<Result<(), WorkspaceError>>,
}

/// Hands rows to the thread that writes; it ends when the last of these is dropped and everything is written.
#[derive(Clone)]
pub(crate) struct Writer(Sender<Job>);

/// Why rows were not stored.
pub(crate) enum Unwritten {
    /// The rows themselves are wrong.
    Payload(String),
    Workspace(WorkspaceError),
    /// The thread has gone: the server is ending.
    Ending,
}

impl Writer {
    pub(crate) fn start(workspace: Workspace, running: Arc<Running>) -> std::io::Result<Writer> {
        let (sender, receiver) = channel();
        std::thread::Builder::new()
            .name("serve-writer".to_owned())
            .spawn(move || write_all(&workspace, &running, &receiver))?;
        Ok(Writer(sender))
    }

    /// Stores the rows as a whole or not at all; they are on disk when this returns `Ok`.
    pub(crate) async fn append(&self, table: &str, records: Records) -> Result<(), Unwritten> {
        let (done, written) = oneshot::channel();
        self.0.send(Job { table: table.to_owned(), records, done }).map_err(|_| Unwritten::Ending)?;
        written.await.map_err(|_| Unwritten::Ending)?.map_err(Unwritten::Workspace)
    }
}

fn write_all(workspace: &Workspace, running: &Running, jobs: &Receiver<Job>) {
    let mut appends: HashMap<String, usize> = HashMap::new();
    while let Ok(first) = jobs.recv() {
        let mut groups: Vec<Vec<Job>> = Vec::new();
        for job in std::iter::once(first).chain(jobs.try_iter()) {
            match groups.iter_mut().find(|group| belongs(group, &job)) {
                Some(group) => group.push(job),
                None => groups.push(vec![job]),
            }
        }
        for group in groups {
            let table = group[0].table.clone();
            write_group(workspace, group);
            let count = appends.entry(table.clone()).or_default();
            *count += 1;
            if count.is_multiple_of(BETWEEN_MERGES) {
                let grace = GRACE.max(running.oldest() + Duration::from_secs(5));
                if let Err(error) = workspace.compact(&table, grace) {
                    tracing::warn!("segments of {table} were not merged, which costs time only: {error}");
                }
            }
        }
    }
}

/// May the job's rows stand in one segment with those of the group?
fn belongs(group: &[Job], job: &Job) -> bool {
    let rows: usize = group.iter().map(|job| job.records.frame.height()).sum();
    let same =
        |left: &ColumnSchema, right: &ColumnSchema| left.name != right.name || left.column_type == right.column_type;
    let fits = |other: &Job| {
        other.records.columns.iter().all(|left| job.records.columns.iter().all(|right| same(left, right)))
    };
    group[0].table == job.table && rows < ROWS_TOGETHER && group.iter().all(fits)
}

fn write_group(workspace: &Workspace, group: Vec<Job>) {
    if group.len() > 1 {
        let frames: Vec<DataFrame> = group.iter().map(|job| job.records.frame.clone()).collect();
        let mut columns: Vec<ColumnSchema> = Vec::new();
        for column in group.iter().flat_map(|job| &job.records.columns) {
            if !columns.iter().any(|known| known.name == column.name) {
                columns.push(column.clone());
            }
        }
        let together = concat_df_diagonal(&frames).ok();
        if together.is_some_and(|rows| workspace.append_typed(&group[0].table, rows, columns).is_ok()) {
            for job in group {
                // A client that has gone does not hear of it.
                let _ = job.done.send(Ok(()));
            }
            return;
        }
        // One of them does not fit the table: each is judged on its own, and nothing was written yet.
    }
    for Job { table, records, done } in group {
        let written = workspace.append_typed(&table, records.frame, records.columns);
        let _ = done.send(written.map(|_| ()));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::records::{Unknown, objects, of_objects};
    use super::*;
    use crate::ColumnType;

    fn records(value: serde_json::Value) -> Records {
        of_objects(&objects(value.to_string().as_bytes()).unwrap(), &[], Unknown::Added).unwrap()
    }

    #[tokio::test]
    async fn appends_together_are_judged_one_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(folder.path()).unwrap();
        let writer = Writer::start(workspace.clone(), Arc::default()).unwrap();
        writer.append("T_CL", records(json!([{"n": 0}]))).await.ok().unwrap();
        let many = (1..50).map(|n| {
            let writer = writer.clone();
            let wrong = n % 10 == 0;
            let rows = if wrong { json!([{"n": "text"}]) } else { json!([{"n": n, "extra": [n]}]) };
            async move { (wrong, writer.append("T_CL", records(rows)).await) }
        });
        for (wrong, written) in futures_util::future::join_all(many).await {
            assert_eq!(wrong, matches!(written, Err(Unwritten::Workspace(WorkspaceError::ColumnType { .. }))));
        }
        let rows = workspace.scan("T_CL").unwrap().unwrap().collect().unwrap();
        assert_eq!(rows.height(), 46);
        let schema = workspace.schema("T_CL").unwrap().unwrap();
        assert_eq!(schema.column("extra").unwrap().column_type, ColumnType::Dynamic);
    }
}
