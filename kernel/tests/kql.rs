//! `huntbook kql` as a shell meets it: streams, exit codes, messages.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

fn huntbook(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_huntbook"));
    command.arg("kql").args(arguments).current_dir(folder).env("HUNTBOOK_WORKSPACE", folder.join("workspace"));
    command.env("COLUMNS", "40").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

struct Answer {
    code: Option<i32>,
    output: String,
    errors: String,
}

fn answer(folder: &Path, arguments: &[&str], input: &str) -> Answer {
    let mut child = huntbook(folder, arguments).spawn().unwrap();
    // What needs no input may end before it is written.
    child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
    let done = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Answer { code: done.status.code(), output: text(done.stdout), errors: text(done.stderr) }
}

#[test]
fn the_query_may_come_from_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let found = answer(folder.path(), &["-f", "-", "--format", "csv"], "\u{feff}print a = 1,\n  b = 2s");
    assert_eq!((found.code, found.output.as_str()), (Some(0), "a,b\n1,00:00:02\n"), "{}", found.errors);
}

#[test]
fn parameters_are_what_they_look_like() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("t.csv"), "TimeGenerated,Id\n2024-02-01,00123\n2024-03-02,00124\n").unwrap();
    let run = |query: &str, parameter: &str| {
        let arguments = ["--table", "T=t.csv", "--format", "csv", "--param", parameter, query];
        let found = answer(folder.path(), &arguments, "");
        assert_eq!(found.code, Some(0), "{}", found.errors);
        found.output
    };
    assert_eq!(run("T | where TimeGenerated > ${since} | project Id", "since=2024-03-01"), "Id\n00124\n");
    assert_eq!(run("T | where Id == ${id} | count", "id=00123"), "Count\n1\n");
    let declared = "declare query_parameters(id: string, n: long = 2); T | where Id startswith id | count";
    assert_eq!(run(declared, "id=0012"), "Count\n2\n");
    let declared = "declare query_parameters(day: string); print day";
    assert_eq!(run(declared, "day=2024-03-01"), "print_0\n2024-03-01\n");
}

#[test]
fn messages_name_the_options() {
    let folder = tempfile::tempdir().unwrap();
    let found = answer(folder.path(), &["Nothing | count"], "");
    assert_eq!(found.code, Some(1));
    assert!(found.errors.contains("unknown table `Nothing`") && found.errors.contains("--table NAME=PATH"));
    assert!(found.errors.contains("--workspace DIR"), "{}", found.errors);
    let found = answer(folder.path(), &["print a = ${id}"], "");
    assert_eq!(found.code, Some(1));
    assert!(found.errors.contains("`${id}` has no value") && found.errors.contains("--param id=VALUE"));
    assert!(!found.errors.contains("session"), "{}", found.errors);
    let found = answer(folder.path(), &["declare query_parameters(n: long); print n"], "");
    assert!(found.code == Some(1) && found.errors.contains("--param n=VALUE"), "{}", found.errors);
}

#[test]
fn exit_codes_tell_queries_from_command_lines() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("s.json"), "{\"tables\": [{\"name\": \"T\"}]}").unwrap();
    let cases: [(&[&str], i32); 11] = [
        (&["print 1"], 0),
        (&["print 1 | wher x"], 1),
        (&["print 1", "--check"], 0),
        (&["print x", "--check"], 1),
        (&["print x", "--explain"], 1),
        (&["range x from 1 to 9 step 1", "--row-limit", "2"], 1),
        (&["print 1", "--table", "T=gone.csv"], 2),
        (&["print 1", "--param", "a"], 2),
        (&["-f", "gone.kql"], 2),
        (&["T", "--check", "--schemas", "s.json"], 2),
        (&["print 1", "--no-such-option"], 2),
    ];
    for (arguments, code) in cases {
        let found = answer(folder.path(), arguments, "");
        assert_eq!(found.code, Some(code), "{arguments:?}: {}", found.errors);
        assert_eq!(found.errors.is_empty(), code == 0, "{arguments:?}: {}", found.errors);
    }
}

#[test]
fn a_batch_goes_on_behind_a_bad_line() {
    let folder = tempfile::tempdir().unwrap();
    let good = "{\"id\": 1, \"query\": \"print a = 1\"}\n{\"id\": 2, \"query\": \"print | x\"}\n";
    for extra in [&[][..], &["--check"]] {
        let arguments = [&["--jsonl"][..], extra].concat();
        let found = answer(folder.path(), &arguments, good);
        assert_eq!((found.code, found.output.lines().count()), (Some(0), 2), "{}", found.errors);
        let found = answer(folder.path(), &arguments, &format!("oops\n{good}"));
        assert_eq!((found.code, found.output.lines().count()), (Some(1), 3), "{}", found.errors);
        assert!(found.errors.contains("one line of the input is no query"), "{}", found.errors);
    }
}

#[test]
fn a_table_in_a_pipe_is_not_cut() {
    let folder = tempfile::tempdir().unwrap();
    let found = answer(folder.path(), &["print a = strcat_array(repeat('ab', 100), '')"], "");
    assert!(found.output.contains(&"ab".repeat(100)), "{}", found.output);
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_is_no_failure_to_tell() {
    let folder = tempfile::tempdir().unwrap();
    for format in ["csv", "json", "table"] {
        let query = "range x from 1 to 500000 step 1";
        let mut child = huntbook(folder.path(), &[query, "--format", format]).spawn().unwrap();
        let mut first = String::new();
        BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        assert!(!first.is_empty());
        let mut errors = String::new();
        child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert_eq!((child.wait().unwrap().code(), errors.as_str()), (Some(141), ""), "{format}");
    }
}

#[test]
fn results_that_are_not_shown_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let found = answer(folder.path(), &["--format", "csv", "print a = 1; print b = 2; print c = 3"], "");
    assert_eq!((found.code, found.output.as_str()), (Some(0), "c\n3\n"));
    assert!(found.errors.contains("3 results"), "{}", found.errors);
}
