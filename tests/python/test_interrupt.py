"""An interrupt stops what runs and drops what waits; it never costs the kernel."""

from __future__ import annotations

import time

import pytest

from harness import HITS, Kernel

# A self-join of 5 000 equal keys: 25 million rows, seconds of work.
LARGE = """#[derive(serde::Serialize)] struct Row { k: i64, v: i64 }
let large = frame_of((0..5000).map(|v| Row { k: 1, v }))?;"""
LONG_QUERY = "large | join kind=inner (large) on k | summarize dcount(v), sum(v1) by k"


def interrupt_when_printed(kernel: Kernel, request: str, text: str) -> None:
    kernel.until_stdout(request, text)
    assert kernel.interrupt()["status"] == "ok"


def test_a_spinning_loop(own_kernel: Kernel) -> None:
    own_kernel.ok(HITS)
    own_kernel.ok("let before = 1;")
    request = own_kernel.send('println!("spinning");\nloop {}')
    waiting = [own_kernel.send('println!("no");'), own_kernel.send("%kql print a=1")]
    interrupt_when_printed(own_kernel, request, "spinning")
    error = own_kernel.outcome(request)
    assert error.status == "error"
    assert error.error["ename"] == "Interrupted"
    assert [own_kernel.outcome(dropped).status for dropped in waiting] == ["aborted", "aborted"]
    assert own_kernel.count("hits") == 2
    assert own_kernel.value("hits.height()") == "2"
    assert own_kernel.value("before") == "1"


def test_what_an_interrupted_cell_did_is_undone(own_kernel: Kernel) -> None:
    own_kernel.ok(HITS)
    own_kernel.ok("let big = vec![7u8; 200_000_000];\nlet rows = hits.clone();\nlet mut list = vec![1];")
    code = 'list.push(2);\ndrop(rows);\nlet new = hits.clone();\nprintln!("spinning");\nloop {}'
    request = own_kernel.send(code)
    interrupt_when_printed(own_kernel, request, "spinning")
    assert own_kernel.outcome(request).error["ename"] == "Interrupted"
    assert own_kernel.value("(big.len(), big[199_999_999], list.clone(), rows.height())") == "(200000000, 7, [1], 2)"
    own_kernel.fails("new", "CompileError")


def test_a_handler_of_the_users_does_not_hold_it_up(own_kernel: Kernel) -> None:
    own_kernel.ok("let before = 7;")
    ignore = 'unsafe extern "C" { fn signal(number: i32, handler: usize) -> usize; }\nunsafe { signal(2, 1) };'
    request = own_kernel.send(f'{ignore}\nprintln!("deaf");\nloop {{}}')
    interrupt_when_printed(own_kernel, request, "deaf")
    assert own_kernel.outcome(request).error["ename"] == "Interrupted"
    assert own_kernel.value("before") == "7"


# Takes rustc a minute.
SLOW_TO_COMPILE = """#[allow(long_running_const_eval)]
const N: u64 = { let mut i = 0u64; while i < 2_000_000_000 { i += 1; } i };
println!("{N}");"""


@pytest.mark.parametrize("slow", [SLOW_TO_COMPILE, ':dep regex = "1"\nregex::Regex::new("a")?.is_match("a")'])
def test_a_build(own_kernel: Kernel, slow: str) -> None:
    own_kernel.ok("let before = 7;")
    request = own_kernel.send(slow)
    time.sleep(3)
    began = time.monotonic()
    assert own_kernel.interrupt()["status"] == "ok"
    assert own_kernel.outcome(request).error["ename"] == "Interrupted"
    assert time.monotonic() - began < 10, "not at the end of the build"
    assert own_kernel.value("1 + 1") == "2"
    # A dependency may make the prelude be built anew, which needs a new process.
    if slow == SLOW_TO_COMPILE:
        assert own_kernel.value("before") == "7"


def test_a_sleeping_cell(own_kernel: Kernel) -> None:
    request = own_kernel.send('println!("asleep");\nstd::thread::sleep(std::time::Duration::from_secs(3600));')
    interrupt_when_printed(own_kernel, request, "asleep")
    assert own_kernel.outcome(request).error["ename"] == "Interrupted"
    assert own_kernel.value("1 + 1") == "2"


def test_when_idle_it_is_harmless(own_kernel: Kernel) -> None:
    own_kernel.ok("let before = 7;")
    for _ in range(3):
        assert own_kernel.interrupt()["status"] == "ok"
    assert own_kernel.value("before") == "7"
    assert own_kernel.count("print a=1") == 1


def test_a_long_query_keeps_every_variable(own_kernel: Kernel) -> None:
    own_kernel.ok(LARGE)
    own_kernel.ok("let before = 7;")
    own_kernel.ok("%kql large | count")
    request = own_kernel.send(f'println!("asking");\n%kql {LONG_QUERY}')
    interrupt_when_printed(own_kernel, request, "asking")
    assert own_kernel.outcome(request).error["ename"] == "Interrupted"
    assert own_kernel.value("before") == "7"
    assert own_kernel.count("large") == 5000


def test_a_long_engine_call_of_a_rust_cell_keeps_every_variable(own_kernel: Kernel) -> None:
    own_kernel.ok("let before = 7;\nlet accesses = sample::training(1)?;")
    code = 'println!("fitting");\nlet model = AccessAnomaly::new().max_iter(100_000_000).fit(&accesses)?;'
    request = own_kernel.send(code)
    interrupt_when_printed(own_kernel, request, "fitting")
    assert own_kernel.outcome(request).error["ename"] == "Interrupted"
    assert own_kernel.value("before") == "7"
    assert own_kernel.value("accesses.height() > 0") == "true"


def test_cells_sent_after_an_interrupt_run(own_kernel: Kernel) -> None:
    request = own_kernel.send('println!("spinning");\nloop {}')
    interrupt_when_printed(own_kernel, request, "spinning")
    assert own_kernel.outcome(request).status == "error"
    assert own_kernel.value("40 + 2") == "42"
    request = own_kernel.send('println!("again");\nloop {}')
    interrupt_when_printed(own_kernel, request, "again")
    assert own_kernel.outcome(request).error["ename"] == "Interrupted"
    assert own_kernel.value("1 + 1") == "2"
