"""The magics of the session: variables, time, environment, files, shell, process."""

from __future__ import annotations

import re
import time
from pathlib import Path

import psutil
import pytest

from harness import HITS, Kernel, run_cells, survivors, wait_until


def folder(kernel: Kernel) -> Path:
    """The notebook's folder, as the cell process sees it."""
    return Path(kernel.ok("!pwd").stdout.strip())


def running(kernel: Kernel, name: str) -> list[psutil.Process]:
    """The processes of this name below the kernel, once there are any."""
    found: list[psutil.Process] = []

    def started() -> bool:
        found[:] = [process for process in kernel.tree() if process.name() == name]
        return bool(found)

    wait_until(started, f"{name} runs")
    return found


def test_variables_and_frames_are_listed(kernel: Kernel) -> None:
    kernel.ok(HITS)
    kernel.ok('let big = 123456789u64; let word = "a<b>".to_string(); let many = vec![1.5f64; 7];')
    shown = kernel.ok("%vars").of("display_data")
    assert len(shown) == 1
    text, html = shown[0]["data"]["text/plain"], shown[0]["data"]["text/html"]
    assert re.search(r"^big +u64 +123456789$", text, re.M), text
    assert re.search(r'^word +String +"a<b>"$', text, re.M), text
    assert re.search(r"^many +Vec<f64> +7 items$", text, re.M), text
    assert re.search(r"^hits +2 rows × 2 columns +\d+ bytes$", text, re.M), text
    assert "&lt;b&gt;" in html and "<b>" not in html and "Vec&lt;f64&gt;" in html
    assert kernel.value("(big, many.len())") == "(123456789, 7)", "looking takes nothing away"


def test_names_are_listed(kernel: Kernel) -> None:
    kernel.ok(HITS)
    kernel.ok("let seen = 1;")
    rust, frames = kernel.ok("%who").text.splitlines()
    assert "seen" in rust.split() and "hits" in frames.split()


@pytest.mark.parametrize("code", ["%time 1 + 1", "%time %kql print 1", "%%time\nlet timed = 1;\ntimed + 1"])
def test_time_is_told_beside_the_value(kernel: Kernel, code: str) -> None:
    outcome = kernel.ok(code)
    assert re.fullmatch(r"Wall time: [\d.]+ (µs|ms|s)\n", outcome.stdout)
    assert len(outcome.of("execute_result")) == 1


def test_where_the_time_goes(kernel: Kernel) -> None:
    said = kernel.ok("%%time -v\nstd::thread::sleep(std::time::Duration::from_millis(300));").stdout
    wall, *phases = said.splitlines()
    units = {"µs": 1e-6, "ms": 1e-3, "s": 1.0}

    def seconds(words: list[str]) -> float:
        return float(words[-2]) * units[words[-1]]

    times = {line[2:22].strip(): seconds(line.split()) for line in phases}
    assert list(times) == ["type inference", "cargo", "rustc", "load", "run", "huntbook and engine"]
    assert times["run"] >= 0.3, times
    assert times["rustc"] > 0.01, times
    assert times["load"] > 0, times
    total = seconds(wall.split())
    assert abs(sum(times.values()) - total) < 0.05 + total / 50, said


def test_errors_in_timed_code_name_the_cells_lines(kernel: Kernel) -> None:
    error = kernel.fails("let a = 1;\n%time nothing_here + 1", "CompileError").error_text
    assert "line 2, column 7" in error, error
    assert "line 3" in kernel.fails('%%time\nlet b = 1;\npanic!("x");', "Panic").error_text


def test_the_environment(kernel: Kernel) -> None:
    assert kernel.ok("%env HUNT_TEST=a b").text == "HUNT_TEST=a b"
    assert kernel.value('std::env::var("HUNT_TEST").unwrap()') == '"a b"', "it reaches the cell process"
    assert kernel.ok("!echo $HUNT_TEST").stdout == "a b\n"
    assert kernel.ok("%env HUNT_TEST").text == "a b"
    assert "HUNT_TEST=a b" in kernel.ok("%env").text.splitlines()
    assert "no environment variable NOT_SET_HERE" in kernel.fails("%env NOT_SET_HERE").error_text


def test_secrets_of_the_environment_are_not_shown(kernel: Kernel) -> None:
    outcome = kernel.ok("%env HUNT_API_KEY=pa55phrase-value")
    assert "pa55phrase" not in str(outcome.of("display_data"))
    assert kernel.value('std::env::var("HUNT_API_KEY").unwrap().len()') == "16"
    assert "pa55phrase" not in kernel.ok("%env HUNT_API_KEY").text + kernel.ok("%env").text
    assert "pa55phrase" not in kernel.ok('println!("{}", std::env::var("HUNT_API_KEY").unwrap());').stdout


@pytest.mark.parametrize("name", ["HUNTBOOK_TOKEN", "EVCXR_TMPDIR", "RUSTC_WRAPPER"])
def test_what_huntbook_works_by_cannot_be_set(kernel: Kernel, name: str) -> None:
    assert name in kernel.fails(f"%env {name}=x", "MagicError").error_text
    assert f"{name}=" not in kernel.ok("%env").text


def test_a_shell_line_prints_as_it_goes(kernel: Kernel) -> None:
    request = kernel.send("!echo first; sleep 600")
    kernel.until_stdout(request, "first")
    sleepers = running(kernel, "sleep")
    began = time.monotonic()
    kernel.interrupt()
    assert kernel.outcome(request).error["ename"] == "Interrupted"
    assert time.monotonic() - began < 30
    assert not survivors(sleepers), "an interrupt ends all that the command has started"


def test_a_command_that_does_not_want_to_end_ends(kernel: Kernel) -> None:
    kernel.ok("let survives = 5;")
    request = kernel.send("%%bash\ntrap '' INT\necho ready\nwhile true; do sleep 0.05; done")
    kernel.until_stdout(request, "ready")
    kernel.interrupt()
    assert kernel.outcome(request).error["ename"] == "Interrupted"
    assert kernel.value("survives") == "5"


def test_a_failing_command_fails_the_cell(kernel: Kernel) -> None:
    outcome = kernel.fails("!echo why >&2; exit 3", "ShellError")
    assert outcome.stderr == "why\n" and "status 3" in outcome.error_text


def test_shell_lines_and_rust_mix(kernel: Kernel) -> None:
    outcome = kernel.ok('let n = 3;\n!printf "one\\ntwo\\n" | wc -l\nn + 1')
    assert [word.replace(" ", "") for word in outcome.in_order()] == ["stdout:2", "result:4"]
    assert kernel.ok("%%sh\ncd /\npwd").stdout == "/\n"


def test_negation_is_rust(kernel: Kernel) -> None:
    kernel.ok("let truth = true; let names: Vec<i32> = vec![];")
    assert kernel.value("!truth") == "false"
    assert kernel.value("!names.is_empty()") == "false"
    assert kernel.value("!truth && truth") == "false"


def test_a_file_becomes_a_cell(kernel: Kernel) -> None:
    path = folder(kernel) / "part one.rs"
    path.write_text('let größe = "ß";\n')
    reply = kernel.ok("%load 'part one.rs'").reply
    assert reply["payload"] == [{"source": "set_next_input", "text": path.read_text(), "replace": False}]
    path.write_bytes(b"\xff\xfe")
    assert "not text" in kernel.fails("%load 'part one.rs'", "FileError").error_text
    assert "nowhere.rs" in kernel.fails("%load nowhere.rs", "FileError").error_text
    path.write_bytes(b"x" * (2 << 20))
    assert "%blob" in kernel.fails("%load 'part one.rs'", "FileError").error_text


def test_cells_become_a_file(kernel: Kernel) -> None:
    first = kernel.ok("let saved_one = 1;").reply["execution_count"]
    kernel.ok("let saved_two = 2;")
    path = folder(kernel) / "saved.rs"
    kernel.ok(f"%save saved.rs {first}-{first + 1}")
    assert path.read_text() == f"// In [{first}]\nlet saved_one = 1;\n\n// In [{first + 1}]\nlet saved_two = 2;\n"
    assert "--force" in kernel.fails("%save saved.rs", "FileError").error_text
    assert "saved_two" in path.read_text(), "it is left alone"
    kernel.ok(f"%save saved.rs {first} --force")
    assert "saved_two" not in path.read_text()
    assert "none of these cells" in kernel.fails("%save other.rs 9999", "MagicError").error_text


def test_optimisation(kernel: Kernel) -> None:
    assert "level 0" in kernel.ok("%opt").text
    assert "level 2" in kernel.ok("%opt 2").text
    assert kernel.value("1 + 1") == "2"
    kernel.ok(":opt 1")
    assert "level 1" in kernel.ok("%opt").text
    kernel.ok("%opt 0")


def test_a_restart_names_what_is_lost(kernel: Kernel) -> None:
    kernel.ok(HITS)
    kernel.ok("let lost_one = 1; fn kept_function() -> i32 { 7 }")
    assert "lost_one" in kernel.ok("%restart").text
    assert kernel.value("kept_function()") == "7"
    assert kernel.count("hits") == 2
    assert kernel.value("hits.height()") == "2"
    count = kernel.ok("1").reply["execution_count"]
    error = kernel.fails("lost_one", "CompileError").error_text
    assert re.search(r"help: `lost_one` was lost in cell \d+", error), error
    assert int(re.search(r"in cell (\d+)", error)[1]) < count
    assert "lost_one" not in kernel.ok("%who").text


def test_the_compilers_explanation(kernel: Kernel) -> None:
    assert "mismatched" in kernel.fails("let n: i32 = true;", "CompileError").error_text
    last = kernel.ok("%explain").text
    assert last.startswith("E0308\n") and "Erroneous code example" in last
    assert "moved elsewhere" in kernel.ok("%explain E0382").text
    assert "no explanation" in kernel.fails("%explain E9999", "MagicError").error_text


def test_evcxrs_own_commands_still_pass(kernel: Kernel) -> None:
    kernel.ok("let passes = 1u8;")
    assert "passes: u8" in kernel.ok(":vars").text
    assert "%restart" in kernel.fails(":restart", "MagicError").error_text


def test_help_and_names(kernel: Kernel) -> None:
    overview = kernel.ok("%help").text
    for name in ["opt", "vars", "who", "time", "env", "restart", "load", "save", "explain"]:
        assert f"%{name}" in overview
        assert f"%{name}" in kernel.ok(f"%{name} --help").text
    assert "`password(" in kernel.ok("%help env").text
    assert "%vars" in kernel.fails("%nonsense", "MagicError").error_text


def test_arguments_are_completed(kernel: Kernel) -> None:
    (folder(kernel) / "complete_me.rs").write_text("1")

    def completions(code: str) -> list[str]:
        return kernel.ask(kernel.client.complete(code, len(code)))["matches"]

    assert completions("%load comp") == ["complete_me.rs"]
    assert completions("%time -") == ["-v"]
    assert "PATH" in completions("%env PAT")
    assert "explain" in completions("%ex")


def test_without_a_notebook(tmp_path: Path, workspace: Path) -> None:
    (tmp_path / "x.rs").write_text("1")
    cells = ["!echo from the shell", "%time 1 + 1", "let n = 5;", "%vars"]
    ran = run_cells(tmp_path, workspace, cells).passed()
    assert "from the shell" in ran.stdout and "Wall time" in ran.stdout and re.search(r"n +i32 +5", ran.stdout)
    run_cells(tmp_path, workspace, ["%load x.rs"]).failed("no notebook")
