"""What every Jupyter kernel owes its front end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import zmq

from harness import Kernel, survivors, wait_until


def test_kernel_info(kernel: Kernel) -> None:
    info = kernel.ask(kernel.client.kernel_info())
    assert info["status"] == "ok"
    assert info["implementation"] == "huntbook"
    assert info["language_info"]["name"] == "rust"
    assert info["language_info"]["file_extension"] == ".rs"
    assert info["help_links"]


def test_kernel_info_and_queries_do_not_wait_for_rust(start_kernel: Callable[..., Kernel], tmp_path: Path) -> None:
    # An empty cache: what cells need is still to be built, which takes long.
    cache = tmp_path / "cache"
    kernel = start_kernel(env={"HUNTBOOK_CACHE": str(cache)})
    assert kernel.ask(kernel.client.kernel_info())["implementation"] == "huntbook"
    assert kernel.count("print a=1") == 1
    assert not list(cache.glob("templates/*/ready")), "the build was expected to be under way"
    wait_until(lambda: len(processes_with(cache)) > 1, "a build below the kernel")
    kernel.shut_down()
    wait_until(lambda: not processes_with(cache), "the build ends with the kernel")


def test_the_first_cell_is_number_one(own_kernel: Kernel) -> None:
    first = own_kernel.ok("%kql print a=1")
    assert first.reply["execution_count"] == 1
    assert first.of("execute_input")[0]["execution_count"] == 1
    assert own_kernel.ok("1").reply["execution_count"] == 2
    hidden = own_kernel.run("2", store_history=False)
    assert hidden.status == "ok"
    assert own_kernel.ok("3").reply["execution_count"] == 3


def test_busy_input_output_idle(kernel: Kernel) -> None:
    kinds = [kind for kind, _ in kernel.ok("1 + 2").messages]
    assert kinds == ["status", "execute_input", "execute_result", "status"]


def test_an_expression_is_the_result(kernel: Kernel) -> None:
    assert kernel.value("1 + 2") == "3"
    assert kernel.value('"text"') == '"text"'


def test_variables_live_on(kernel: Kernel) -> None:
    assert kernel.ok("let x = 5;").in_order() == []
    assert kernel.value("x * 2") == "10"


def test_items_live_on(kernel: Kernel) -> None:
    kernel.ok("fn twice(n: i64) -> i64 { n * 2 }\n#[derive(Debug, Clone)] struct Point { x: i64 }")
    kernel.ok("let point = Point { x: twice(4) };")
    assert kernel.value("point.x") == "8"


def test_a_semicolon_shows_nothing(kernel: Kernel) -> None:
    assert kernel.ok("1 + 2;").in_order() == []
    assert kernel.ok("for _ in 0..3 {}").in_order() == []


def test_an_empty_cell_does_nothing(kernel: Kernel) -> None:
    for code in ("", "  \n", "// only a comment"):
        assert kernel.ok(code).in_order() == []


def test_streams(kernel: Kernel) -> None:
    printed = kernel.ok('println!("to stdout");\neprintln!("to stderr");\nprint!("no newline");')
    assert printed.stdout == "to stdout\nno newline"
    assert printed.stderr == "to stderr\n"


def test_both_streams_keep_their_order(kernel: Kernel) -> None:
    code = 'for i in 0..50 { println!("o{i}"); eprintln!("e{i}"); }\nprint!("half "); eprintln!("last");'
    printed = kernel.ok(code)
    words = "".join(message["text"] for message in printed.of("stream")).split()
    assert words == [word for i in range(50) for word in (f"o{i}", f"e{i}")] + ["half", "last"]


def test_formatted_errors_reach_stderr(kernel: Kernel) -> None:
    # evcxr prints the error of a failed `?` with exactly this call: the user's own must not be taken for it.
    assert kernel.ok('let error = "mine";\neprintln!("{}", error);').stderr == "mine\n"


def test_unicode_survives(kernel: Kernel) -> None:
    text = "naïve 日本語 🦀 e\u0301"
    assert kernel.ok(f'println!("{text}");').stdout == f"{text}\n"
    assert kernel.value(f'"{text}".chars().count()') == str(len(text))


def test_a_flood_of_lines_is_whole_and_in_few_messages(kernel: Kernel) -> None:
    flood = kernel.ok('for line in 0..20000 { println!("{line}"); }')
    assert flood.stdout.split() == [str(line) for line in range(20000)]
    assert len(flood.of("stream")) < 2000


def test_displays_and_text_come_in_order(kernel: Kernel) -> None:
    code = """println!("first");
display::html("<b>1</b>");
println!("between");
display::html("<b>2</b>");
println!("last");
7"""
    expected = ["stdout:first", "text/html:<b>1</b>", "stdout:between", "text/html:<b>2</b>", "stdout:last", "result:7"]
    assert kernel.ok(code).in_order() == expected


def test_two_displays_are_two_messages(kernel: Kernel) -> None:
    displays = kernel.ok('display::html("<b>1</b>"); display::html("<b>2</b>");').of("display_data")
    assert [display["data"] for display in displays] == [{"text/html": "<b>1</b>"}, {"text/html": "<b>2</b>"}]
    ids = {display["transient"]["display_id"] for display in displays}
    assert len(ids) == 2


def test_a_display_is_updated_in_its_own_and_in_a_later_cell(kernel: Kernel) -> None:
    first = kernel.ok('let shown = display::html("<i>0</i>");\nshown.update([("text/html", "<i>1</i>".to_string())]);')
    created, updated = first.of("display_data"), first.of("update_display_data")
    assert (len(created), len(updated)) == (1, 1)
    later = kernel.ok('shown.update([("text/html", "<i>2</i>".to_string())]);').of("update_display_data")
    assert later[0]["data"] == {"text/html": "<i>2</i>"}
    ids = {message["transient"]["display_id"] for message in [*created, *updated, *later]}
    assert len(ids) == 1


def test_a_display_is_updated_by_its_name(kernel: Kernel) -> None:
    shown = kernel.ok('display::show_as("progress", [("text/plain", "1 of 2".to_string())]);').of("display_data")
    later = kernel.ok('display::update("progress", [("text/plain", "2 of 2".to_string())]);').of("update_display_data")
    assert later[0]["data"] == {"text/plain": "2 of 2"}
    assert shown[0]["transient"] == later[0]["transient"] == {"display_id": "progress"}


def test_output_is_cleared(kernel: Kernel) -> None:
    cleared = kernel.ok('println!("a");\ndisplay::clear_output(true);\nprintln!("b");\ndisplay::clear_output(false);')
    kinds = [(kind, content.get("wait")) for kind, content in cleared.messages if kind in ("stream", "clear_output")]
    assert kinds == [("stream", None), ("clear_output", True), ("stream", None), ("clear_output", False)]


def test_json_is_sent_as_json(kernel: Kernel) -> None:
    code = """display::show([("application/json", r#"{"a": [1]}"#.to_string())]);
display::show([("application/json", "no json".to_string())]);"""
    shown = [display["data"]["application/json"] for display in kernel.ok(code).of("display_data")]
    assert shown == [{"a": [1]}, "no json"]


def test_user_expressions_are_answered_each_for_itself(kernel: Kernel) -> None:
    asked = {"twice": "n * 2", "wrong": "no_such_name", "panic": 'panic!("boom")', "unit": "()", "rows": "%kql print a=1"}
    cell = kernel.run("let n = 20;", user_expressions=asked)
    values = cell.reply["user_expressions"]
    assert cell.status == "ok" and cell.in_order() == []
    assert values["twice"] == {"status": "ok", "data": {"text/plain": "40"}, "metadata": {}}
    assert values["wrong"]["status"] == "error" and values["wrong"]["ename"] == "CompileError"
    assert values["panic"]["ename"] == "Panic" and values["panic"]["evalue"] == "boom"
    assert values["unit"]["data"] == {"text/plain": "()"}
    assert values["rows"]["status"] == "ok" and "text/html" in values["rows"]["data"]
    quiet = kernel.run("", silent=True, user_expressions={"n": "n"})
    assert quiet.reply["user_expressions"]["n"]["data"]["text/plain"] == "20"
    assert quiet.in_order() == []
    assert kernel.fails('panic!("x")').reply["user_expressions"] == {}


def test_comms(kernel: Kernel) -> None:
    opened = {"comm_id": "c", "target_name": "no-such-target", "data": {}}
    assert kernel.tell("comm_open", opened) == [("comm_close", {"comm_id": "c", "data": {}})]
    control = {"comm_id": "w", "target_name": "jupyter.widget.control", "data": {}}
    assert kernel.tell("comm_open", control) == []
    assert kernel.ask(kernel.client.comm_info())["comms"] == {"w": {"target_name": "jupyter.widget.control"}}
    [(kind, states)] = kernel.tell("comm_msg", {"comm_id": "w", "data": {"method": "request_states"}})
    assert kind == "comm_msg" and states["data"]["method"] == "update_states" and states["data"]["states"] == {}
    assert kernel.tell("comm_close", {"comm_id": "w", "data": {}}) == []
    assert kernel.ask(kernel.client.comm_info())["comms"] == {}


def test_silent_shows_nothing(kernel: Kernel) -> None:
    quiet = kernel.run('println!("hush"); 1', silent=True)
    assert quiet.status == "ok"
    assert quiet.in_order() == []
    assert not quiet.of("execute_input")


def test_is_complete(kernel: Kernel) -> None:
    expected = {
        "1 + 1": "complete",
        "fn f() {": "incomplete",
        "fn }": "invalid",
        "let = 7q;": "invalid",
        "let x =": "incomplete",
        "%no_such_magic": "invalid",
        "%kql T | take 1": "complete",
        "%%kql\nT": "incomplete",
        "%%kql\nT\n\n": "complete",
        'let s = "open': "incomplete",
        "": "complete",
    }
    status = {code: kernel.ask(kernel.client.is_complete(code))["status"] for code in expected}
    assert status == expected


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("complete", {"code": "let x = ", "cursor_pos": 8}),
        ("inspect", {"code": "x", "cursor_pos": 1}),
        ("history", {}),
        ("history", {"hist_access_type": "tail", "n": 3}),
        ("history", {"hist_access_type": "search", "pattern": "x"}),
        ("comm_info", {}),
    ],
)
def test_every_request_is_answered(kernel: Kernel, method: str, arguments: dict[str, object]) -> None:
    assert kernel.ask(getattr(kernel.client, method)(**arguments))["status"] == "ok"


def test_the_heartbeat_echoes(kernel: Kernel) -> None:
    connection = kernel.client.get_connection_info()
    socket = zmq.Context.instance().socket(zmq.REQ)
    socket.linger = 0
    try:
        socket.connect(f"tcp://{connection['ip']}:{connection['hb_port']}")
        socket.send(b"are you there?")
        assert socket.poll(60_000), "no heartbeat"
        assert socket.recv() == b"are you there?"
    finally:
        socket.close()


def test_kernel_info_is_answered_while_a_cell_runs(own_kernel: Kernel) -> None:
    request = own_kernel.send('println!("started");\nloop {}')
    own_kernel.until_stdout(request, "started")
    assert own_kernel.control("kernel_info_request", {})["implementation"] == "huntbook"
    own_kernel.interrupt()
    assert own_kernel.outcome(request).status == "error"


def test_shutdown_leaves_nothing_behind(own_kernel: Kernel) -> None:
    own_kernel.ok("let x = 1;")
    processes = own_kernel.tree()
    assert len(processes) > 1, "the cell process was expected below the kernel"
    pid = own_kernel.pid
    own_kernel.shut_down()
    assert not survivors(processes)
    assert not private_files(pid)


def test_shutdown_ends_a_running_cell(own_kernel: Kernel) -> None:
    request = own_kernel.send('println!("started");\nloop {}')
    own_kernel.until_stdout(request, "started")
    processes = own_kernel.tree()
    assert own_kernel.control("shutdown_request", {"restart": False})["status"] == "ok"
    assert not survivors(processes)


def test_a_killed_kernel_takes_its_cells_along(own_kernel: Kernel) -> None:
    request = own_kernel.send('println!("started");\nloop {}')
    own_kernel.until_stdout(request, "started")
    processes = own_kernel.tree()
    os.kill(own_kernel.pid, signal.SIGKILL)
    assert not survivors(processes)


def test_a_kernel_does_not_outlive_its_server(tmp_path: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from harness import Kernel
kernel = Kernel(Path(sys.argv[1]))
kernel.ok("let x = 1;")
print(*[process.pid for process in kernel.tree()], flush=True)
os._exit(0)
"""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    server = subprocess.run(
        [sys.executable, "-c", script, str(workspace)],
        cwd=Path(__file__).parent,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    pids = [int(pid) for pid in server.stdout.split()]
    assert len(pids) > 1
    processes = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    assert not survivors(processes)


def test_restart_begins_anew(own_kernel: Kernel) -> None:
    own_kernel.ok("let x = 1;")
    own_kernel.restart()
    assert own_kernel.ok("1").reply["execution_count"] == 1
    own_kernel.fails("x", "CompileError")


def processes_with(cache: Path) -> list[psutil.Process]:
    """Processes of one kernel and its builds, wherever they hang in the tree."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("HUNTBOOK_CACHE") == str(cache) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def private_files(pid: int) -> list[Path]:
    """What a kernel keeps while it lives: its socket folder and its build folder."""
    cache = Path(os.environ.get("HUNTBOOK_CACHE", Path.home() / ".cache/huntbook"))
    return [*Path("/dev/shm").glob(f"huntbook-{pid}-*"), *cache.glob(f"kernels/{pid}-*")]
