//! Rows to a service in posts of limited size, with an exact account of what became of each row.

use std::future::Future;
use std::ops::Range;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::{Map, Value};

use crate::error::Error;

/// What a service takes in one post.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes of the JSON array.
    pub(crate) post: usize,
    /// Bytes of one field; what is longer is cut by the service.
    pub(crate) field: usize,
}

/// How to upload.
pub struct UploadOptions<'a> {
    /// Posts at the same time.
    pub parallel: usize,
    /// Looked at before each post: when true, what is on the way is finished and no more is sent. An upload must not be
    /// cut otherwise, since then nobody knows what was written.
    pub stop: &'a (dyn Fn() -> bool + Sync),
    /// Told how many rows are written so far.
    pub progress: &'a (dyn Fn(u64) + Sync),
}

impl Default for UploadOptions<'_> {
    fn default() -> Self {
        Self { parallel: 4, stop: &|| false, progress: &|_| {} }
    }
}

/// Rows, counted from 0, that share a fate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotWritten {
    pub rows: Range<u64>,
    pub reason: String,
    /// The connection broke or the service failed in the middle: it may have written them all the same.
    pub perhaps_written: bool,
}

/// What became of the rows: `rows = accepted + not written`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UploadReport {
    pub rows: u64,
    /// Rows in posts that the service acknowledged.
    pub accepted: u64,
    pub not_written: Vec<NotWritten>,
    /// Of the accepted rows, those that an earlier attempt may have written too.
    pub perhaps_twice: Vec<Range<u64>>,
    /// Fields that the service cuts, by row and name.
    pub cut_fields: Vec<(u64, String)>,
    pub posts: u64,
    /// Bytes of JSON, and of what went over the wire.
    pub bytes: u64,
    pub wire_bytes: u64,
    /// The first error that a service or the network gave.
    pub error: Option<String>,
}

impl UploadReport {
    pub fn is_complete(&self) -> bool {
        self.accepted == self.rows
    }
}

/// Rows for one post.
pub(crate) struct Post {
    pub(crate) rows: Range<u64>,
    pub(crate) json: String,
    /// Where each row begins, to cut the post in two.
    starts: Vec<usize>,
}

impl Post {
    fn new(first: u64) -> Self {
        Self { rows: first..first, json: "[".to_owned(), starts: Vec::new() }
    }

    fn add(&mut self, row: &str) {
        if !self.starts.is_empty() {
            self.json.push(',');
        }
        self.starts.push(self.json.len());
        self.json.push_str(row);
        self.rows.end += 1;
    }

    fn halves(&self) -> Option<(Self, Self)> {
        let middle = self.starts.len() / 2;
        if middle == 0 {
            return None;
        }
        let cut = self.starts[middle];
        let split = self.rows.start + middle as u64;
        let left = Self {
            rows: self.rows.start..split,
            json: format!("{}]", &self.json[..cut - 1]),
            starts: self.starts[..middle].to_vec(),
        };
        let right = Self {
            rows: split..self.rows.end,
            json: format!("[{}", &self.json[cut..]),
            starts: self.starts[middle..].iter().map(|start| start - cut + 1).collect(),
        };
        Some((left, right))
    }
}

/// Cuts rows into posts, without sending any.
pub(crate) struct Posts<I> {
    rows: I,
    limits: Limits,
    next: u64,
    /// A row that did not fit into the post before.
    waiting: Option<String>,
    pub(crate) report: UploadReport,
}

impl<I: Iterator<Item = String>> Posts<I> {
    pub(crate) fn new(rows: impl IntoIterator<IntoIter = I>, limits: Limits) -> Self {
        Self { rows: rows.into_iter(), limits, next: 0, waiting: None, report: UploadReport::default() }
    }

    /// Notes what the limits do to a row; `false` if it cannot be sent at all.
    fn judge(&mut self, number: u64, row: &str) -> bool {
        let alone = row.len() + 2;
        if alone > self.limits.post {
            let reason = format!(
                "the row has {} bytes of JSON, more than the {} that a post may have",
                row.len(),
                self.limits.post
            );
            self.report.not_written.push(NotWritten { rows: number..number + 1, reason, perhaps_written: false });
            return false;
        }
        // Only a long row can have a long field.
        if row.len() > self.limits.field
            && let Ok(fields) = serde_json::from_str::<Map<String, Value>>(row)
        {
            for (name, value) in fields {
                let length = value.as_str().map_or_else(|| value.to_string().len(), str::len);
                if length > self.limits.field {
                    self.report.cut_fields.push((number, name));
                }
            }
        }
        true
    }

    /// Counts the rows that are left over, without sending them.
    fn drain(&mut self) -> Range<u64> {
        let first = self.next - u64::from(self.waiting.take().is_some());
        while self.rows.next().is_some() {
            self.next += 1;
        }
        self.report.rows = self.next;
        first..self.next
    }
}

impl<I: Iterator<Item = String>> Iterator for Posts<I> {
    type Item = Post;

    fn next(&mut self) -> Option<Post> {
        let mut post: Option<Post> = None;
        loop {
            let (number, row) = match self.waiting.take() {
                Some(row) => (self.next - 1, row),
                None => {
                    let Some(row) = self.rows.next() else { break };
                    let number = self.next;
                    self.next += 1;
                    if !self.judge(number, &row) {
                        // A post has rows that follow each other, so that its fate can be told by numbers.
                        if post.is_some() {
                            break;
                        }
                        continue;
                    }
                    (number, row)
                }
            };
            let open = post.get_or_insert_with(|| Post::new(number));
            // A comma in front and a bracket behind.
            if open.json.len() + row.len() + 2 > self.limits.post && !open.starts.is_empty() {
                self.waiting = Some(row);
                break;
            }
            open.add(&row);
        }
        self.report.rows = self.next;
        let mut post = post?;
        post.json.push(']');
        self.report.bytes += post.json.len() as u64;
        Some(post)
    }
}

/// What an upload would send.
pub(crate) fn dry_run<I: Iterator<Item = String>>(
    rows: impl IntoIterator<IntoIter = I>,
    limits: Limits,
) -> UploadReport {
    let mut posts = Posts::new(rows, limits);
    let count = posts.by_ref().count();
    UploadReport { posts: count as u64, ..posts.report }
}

/// What a service said to a post.
pub(crate) struct Sent {
    pub(crate) outcome: Outcome,
    pub(crate) wire_bytes: usize,
}

pub(crate) enum Outcome {
    Accepted {
        perhaps_twice: bool,
    },
    /// It is too large after all: halves may do.
    TooLarge(Error),
    Refused {
        error: Error,
        perhaps_written: bool,
        all_will_fail: bool,
    },
}

/// Sends all rows. Errors of the service and the network are in the report.
pub(crate) async fn upload<'a, I, F>(
    rows: impl IntoIterator<IntoIter = I>,
    limits: Limits,
    options: &UploadOptions<'_>,
    send: impl Fn(String) -> F,
) -> UploadReport
where
    I: Iterator<Item = String> + 'a,
    F: Future<Output = Sent>,
{
    let mut posts = Posts::new(rows, limits);
    let mut halves: Vec<Post> = Vec::new();
    let mut on_the_way = FuturesUnordered::new();
    let mut given_up: Option<String> = None;
    loop {
        while given_up.is_none() && on_the_way.len() < options.parallel.max(1) {
            if (options.stop)() {
                given_up = Some("interrupted before it was sent".to_owned());
                break;
            }
            let Some(post) = halves.pop().or_else(|| posts.next()) else { break };
            let answer = send(post.json.clone());
            on_the_way.push(async move { (answer.await, post) });
        }
        let Some((sent, post)) = on_the_way.next().await else { break };
        let report = &mut posts.report;
        report.posts += 1;
        report.wire_bytes += sent.wire_bytes as u64;
        let (error, perhaps_written) = match sent.outcome {
            Outcome::Accepted { perhaps_twice } => {
                report.accepted += post.rows.end - post.rows.start;
                (options.progress)(report.accepted);
                if perhaps_twice {
                    report.perhaps_twice.push(post.rows);
                }
                continue;
            }
            Outcome::TooLarge(error) => {
                if let Some((left, right)) = post.halves() {
                    halves.extend([right, left]);
                    continue;
                }
                (error, false)
            }
            Outcome::Refused { error, perhaps_written, all_will_fail } => {
                if all_will_fail && given_up.is_none() {
                    given_up = Some("not sent after the error before".to_owned());
                }
                (error, perhaps_written)
            }
        };
        let reason = error.to_string();
        report.error.get_or_insert_with(|| reason.clone());
        report.not_written.push(NotWritten { rows: post.rows, reason, perhaps_written });
    }
    let reason = given_up.unwrap_or_default();
    for post in halves {
        let left = NotWritten { rows: post.rows, reason: reason.clone(), perhaps_written: false };
        posts.report.not_written.push(left);
    }
    let rest = posts.drain();
    let mut report = posts.report;
    if !rest.is_empty() {
        report.not_written.push(NotWritten { rows: rest, reason, perhaps_written: false });
    }
    report.not_written.sort_by_key(|range| range.rows.start);
    report.perhaps_twice.sort_by_key(|range| range.start);
    report
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SMALL: Limits = Limits { post: 60, field: 20 };

    #[test]
    fn a_row_too_large_is_named_and_the_others_go() {
        let rows = ["{\"a\":1}".to_owned(), format!("{{\"a\":\"{}\"}}", "x".repeat(60)), "{\"a\":3}".to_owned()];
        let mut posts = Posts::new(rows, SMALL);
        let sent: Vec<_> = posts.by_ref().map(|post| (post.rows, post.json)).collect();
        assert_eq!(sent, [(0..1, "[{\"a\":1}]".to_owned()), (2..3, "[{\"a\":3}]".to_owned())]);
        assert_eq!(posts.report.not_written[0].rows, 1..2);
        assert_eq!(posts.report.rows, 3);
    }

    #[test]
    fn a_field_that_the_service_cuts_is_named() {
        let report = dry_run([format!("{{\"long\":\"{}\",\"b\":1}}", "x".repeat(21))], SMALL);
        assert_eq!(report.cut_fields, [(0, "long".to_owned())]);
        assert_eq!(report.posts, 1);
    }

    proptest! {
        #[test]
        fn posts_hold_every_row_once_within_the_limit(lengths in prop::collection::vec(0_usize..70, 0..60)) {
            let rows: Vec<String> = lengths.iter().map(|length| format!("{{\"a\":\"{}\"}}", "é".repeat(*length))).collect();
            let mut posts = Posts::new(rows.clone(), SMALL);
            let mut seen = vec![0; rows.len()];
            let mut bytes = 0;
            for post in posts.by_ref() {
                prop_assert!(post.json.len() <= SMALL.post);
                bytes += post.json.len() as u64;
                let parsed: Vec<Value> = serde_json::from_str(&post.json).unwrap();
                prop_assert_eq!(parsed.len() as u64, post.rows.end - post.rows.start);
                for (value, row) in parsed.iter().zip(post.rows.clone()) {
                    prop_assert_eq!(value, &serde_json::from_str::<Value>(&rows[row as usize]).unwrap());
                    seen[row as usize] += 1;
                }
                if let Some((left, right)) = post.halves() {
                    let mut both: Vec<Value> = serde_json::from_str(&left.json).unwrap();
                    both.extend(serde_json::from_str::<Vec<Value>>(&right.json).unwrap());
                    prop_assert_eq!(both, parsed);
                    prop_assert_eq!((left.rows.start, left.rows.end, right.rows.end), (post.rows.start, right.rows.start, post.rows.end));
                }
            }
            for lost in &posts.report.not_written {
                seen[lost.rows.start as usize] += 1;
            }
            prop_assert!(seen.iter().all(|times| *times == 1));
            prop_assert_eq!((posts.report.rows, posts.report.bytes), (rows.len() as u64, bytes));
        }
    }
}
