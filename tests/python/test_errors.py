"""Each failure is one error that says what and where; the kernel goes on."""

from __future__ import annotations

import pytest

from harness import HITS, Kernel


@pytest.fixture(autouse=True)
def before(kernel: Kernel) -> None:
    """A variable and a frame that every failure must leave alone."""
    kernel.ok("let kept = vec![1, 2, 3];")
    kernel.ok(HITS)


def still_works(kernel: Kernel) -> None:
    assert kernel.value("kept.len()") == "3", "variables of earlier cells survive"
    assert kernel.count("hits") == 2, "frames survive"


def test_a_panic(kernel: Kernel) -> None:
    error = kernel.fails('let fine = 1;\npanic!("boom {}", 7);', "Panic").error_text
    assert "boom 7" in error
    assert "line 2" in error
    still_works(kernel)


def test_a_panic_of_the_library(kernel: Kernel) -> None:
    error = kernel.fails("kept[17]", "Panic").error_text
    assert "the len is 3 but the index is 17" in error
    still_works(kernel)


def test_a_panic_after_output_keeps_the_output(kernel: Kernel) -> None:
    outputs = kernel.fails('println!("before");\nNone::<i32>.unwrap();', "Panic").in_order()
    assert outputs == ["stdout:before", "error:Panic"]
    still_works(kernel)


def test_a_caught_panic_is_no_error(kernel: Kernel) -> None:
    assert kernel.value('std::panic::catch_unwind(|| { panic!("inner"); }).is_err()') == "true"
    still_works(kernel)


def test_a_panic_of_another_thread_is_text(kernel: Kernel) -> None:
    printed = kernel.ok('let joined = std::thread::spawn(|| { panic!("aside"); }).join().is_err();')
    assert "aside" in printed.stderr
    assert kernel.value("joined") == "true"


def test_a_failed_question_mark(kernel: Kernel) -> None:
    failed = kernel.fails('println!("before");\n"x".parse::<i32>()?;\nprintln!("never");', "Error")
    assert "invalid digit found in string" in failed.error_text
    assert failed.stdout == "before\n"
    assert failed.stderr == "", "the error is not printed a second time"
    still_works(kernel)


def test_a_failed_question_mark_of_the_engine(kernel: Kernel) -> None:
    error = kernel.fails('let gone = hits.column::<f64>("scor")?;').error_text
    assert "scor" in error and "score" in error
    still_works(kernel)


def test_a_compile_error(kernel: Kernel) -> None:
    error = kernel.fails('let fine = 1;\nlet wrong: i32 = "text";', "CompileError").error_text
    assert "E0308" in error and "mismatched types" in error
    assert "line 2" in error
    assert 'let wrong: i32 = "text";' in error and "^^^^^^" in error
    assert "evcxr" not in error, "what evcxr generates is not the hunter's business"
    still_works(kernel)


def test_a_compile_error_in_a_cell_that_is_not_ascii(kernel: Kernel) -> None:
    error = kernel.fails('let name = "日本語";\nlet wrong: i32 = nombré;', "CompileError").error_text
    assert "nombré" in error and "line 2" in error


def test_a_compile_error_behind_a_magic_line(kernel: Kernel) -> None:
    error = kernel.fails("%kql print a=1\n\nlet wrong: i32 = true;", "CompileError").error_text
    assert "line 3" in error, "lines are the cell's"


def test_several_compile_errors_are_one_message(kernel: Kernel) -> None:
    error = kernel.fails("let a: i32 = true;\nlet b: bool = 1;", "CompileError").error_text
    assert "line 1" in error and "line 2" in error


def test_a_syntax_error(kernel: Kernel) -> None:
    for code in ("let = ;", "let x = ;", "struct", "1 +"):
        kernel.fails(code, "CompileError")
    kernel.fails("let open = (1", "CompileError")
    still_works(kernel)


def test_a_kql_syntax_error(kernel: Kernel) -> None:
    failed = kernel.fails("%kql print a = = 1", "KqlError")
    assert "line 1, column " in failed.error_text
    lines = "\n".join(failed.error["traceback"]).split("\n")
    source = next(line for line in lines if "print a = = 1" in line)
    carets = next(line for line in lines if "^" in line)
    assert source[carets.index("^")] == "=", "the caret stands under the second ="
    still_works(kernel)


def test_a_kql_error_in_a_later_line(kernel: Kernel) -> None:
    error = kernel.fails("%%kql\nhits\n| wher score > 1", "KqlError").error_text
    assert "`wher`" in error and "where" in error


def test_a_missing_table_names_the_nearest(kernel: Kernel) -> None:
    error = kernel.fails("%kql hitz | count", "KqlError").error_text
    assert "`hitz`" in error and "`hits`" in error


def test_a_missing_column_names_the_nearest(kernel: Kernel) -> None:
    error = kernel.fails("%kql hits | where scor > 1", "KqlError").error_text
    assert "`scor`" in error and "`score`" in error


def test_a_bad_query_from_rust(kernel: Kernel) -> None:
    error = kernel.fails('kql("hits | wher score > 1").run()?').error_text
    assert "wher" in error
    still_works(kernel)


def test_an_unknown_magic_lists_the_magics(kernel: Kernel) -> None:
    error = kernel.fails("%kqll hits", "MagicError").error_text
    assert "%kqll" in error and "%kql" in error.replace("%kqll", "")


def test_la_write_of_no_frame(kernel: Kernel) -> None:
    error = kernel.fails("%la_write hitz Test").error_text
    assert "hitz" in error and "hits" in error


def test_a_magic_that_fails_stops_the_cell(kernel: Kernel) -> None:
    failed = kernel.fails('println!("one");\n%kqll x\nprintln!("two");', "MagicError")
    assert failed.stdout == "one\n"


def test_a_file_that_is_not_there(kernel: Kernel) -> None:
    assert "nothing_here.csv" in kernel.fails("%blob read nothing_here.csv").error_text


def test_quitting_is_refused(kernel: Kernel) -> None:
    kernel.fails(":quit")
    still_works(kernel)


@pytest.mark.parametrize("failing", ['panic!("stop");', '"x".parse::<i32>()?;', "let wrong: i32 = true;"])
def test_a_failure_aborts_what_waits(kernel: Kernel, failing: str) -> None:
    first, second, third = kernel.send(failing), kernel.send('println!("no");'), kernel.send("%kql print a=1")
    assert kernel.outcome(first).status == "error"
    for waiting in (second, third):
        outcome = kernel.outcome(waiting)
        assert outcome.status == "aborted"
        assert outcome.in_order() == []
    still_works(kernel)


def test_stop_on_error_false_goes_on(kernel: Kernel) -> None:
    first, second = kernel.send('panic!("go on");', stop_on_error=False), kernel.send("1 + 1")
    assert kernel.outcome(first).status == "error"
    assert kernel.outcome(second).status == "ok"


CRASHES = [
    ("std::process::abort();", "SIGABRT"),
    ("unsafe { *(8 as *mut i32) = 1; }", "SIGSEGV"),
    ("fn deep(n: u64) -> u64 { if n == 0 { 0 } else { std::hint::black_box(deep(n + 1)) + 1 } }\ndeep(1)", "stack"),
    ("std::process::exit(3);", "exit code 3"),
]


@pytest.mark.parametrize(("code", "why"), CRASHES)
def test_a_crash_rolls_back_the_cell(own_kernel: Kernel, code: str, why: str) -> None:
    own_kernel.ok("let mut list = vec![1];\nfn kept_function() -> i32 { 4 }")
    own_kernel.ok(HITS)
    own_kernel.ok("let first = hits.clone();")
    failed = own_kernel.fails(f'list.push(2);\ndrop(first);\nprintln!("last words");\n{code}', "CellCrashed")
    assert failed.stdout == "last words\n"
    assert why in failed.error_text and "as they were" in failed.error_text
    assert own_kernel.value("list.clone()") == "[1]", "as it was before the cell"
    assert own_kernel.value("first.height()") == "2", "the engine has the rows that the cell had let go of"
    assert own_kernel.value("kept_function()") == "4"
    assert own_kernel.count("hits") == 2
    assert own_kernel.value("hits.height()") == "2"


def test_a_panic_rolls_back_the_cell(own_kernel: Kernel) -> None:
    own_kernel.ok("let mut list = vec![1];\nlet moved = String::from(\"here\");")
    own_kernel.fails('list.push(2);\nlet inner = moved;\nlet new = 1;\npanic!("boom {}", inner.len() + new);', "Panic")
    assert own_kernel.value("list.clone()") == "[1]"
    assert own_kernel.value("moved.clone()") == '"here"'
    own_kernel.fails("new", "CompileError")


@pytest.mark.parametrize(
    "without_checkpoint",
    [
        "std::thread::spawn(|| loop { std::thread::sleep(std::time::Duration::from_secs(1)) });",
        'let sleeper = std::process::Command::new("sleep").arg("600").spawn()?;',
    ],
)
def test_a_crash_without_a_checkpoint_names_what_it_cost(own_kernel: Kernel, without_checkpoint: str) -> None:
    own_kernel.ok("let lost_list = vec![1];\nfn kept_function() -> i32 { 4 }")
    own_kernel.ok(HITS)
    assert own_kernel.value("hits.height()") == "2"
    own_kernel.ok(without_checkpoint)
    failed = own_kernel.fails('println!("last words");\nstd::process::abort();', "CellProcessEnded")
    assert failed.stdout == "last words\n"
    assert "SIGABRT" in failed.error_text and "lost_list" in failed.error_text
    assert own_kernel.value("kept_function()") == "4"
    assert own_kernel.count("hits") == 2, "frames live in the engine"
    assert own_kernel.value("hits.height()") == "2", "and are handed out again"
    own_kernel.fails("lost_list", "CompileError")


def test_a_child_of_one_cell_is_waited_for_in_another(own_kernel: Kernel) -> None:
    own_kernel.ok('let mut child = std::process::Command::new("sh").args(["-c", "exit 7"]).spawn()?;')
    assert own_kernel.value("child.wait()?.code()") == "Some(7)"


def test_leaving_the_process_is_an_error(own_kernel: Kernel) -> None:
    own_kernel.fails("std::process::exit(0);")
    assert own_kernel.value("1 + 1") == "2"


def test_a_dependency_may_need_a_new_process_and_says_so(own_kernel: Kernel) -> None:
    own_kernel.ok("let before = 7;")
    own_kernel.ok(HITS)
    added = own_kernel.ok(':dep regex = "1"\nregex::Regex::new("a").unwrap().is_match("cat")')
    assert added.of("execute_result")[0]["data"]["text/plain"] == "true"
    kept = own_kernel.run("before").status == "ok"
    assert kept or "before" in added.stderr, "what is lost is said"
    assert own_kernel.value("hits.height()") == "2"
