"""`huntbook run`, and the other programs that run notebooks without a browser."""

from __future__ import annotations

from pathlib import Path

import nbclient
import nbformat
import papermill
import pytest

from harness import HITS, Run, run, run_cells, write_notebook

PARAMETERS = 'let threshold = 1.0; // score\nlet table = "T".to_string();\nlet rows = 3;\nlet dry = false;'
SHOW = 'println!("threshold {threshold:?}, table {table}, rows {rows}, dry {dry}");'


def text_of(cell: nbformat.NotebookNode) -> str:
    """Text of a cell's streams and results."""
    pieces = []
    for output in cell.outputs:
        pieces.append(output.text if output.output_type == "stream" else output.data.get("text/plain", ""))
    return "\n".join(pieces)


def test_outputs_are_saved(tmp_path: Path, workspace: Path) -> None:
    cells = [HITS, 'println!("strong: {}", hits.filter(col("score").gt(1.0)).height());', "%kql hits | count", "6 * 7"]
    notebook = write_notebook(tmp_path / "hunt.ipynb", cells)
    before = notebook.read_bytes()
    done = run(notebook, workspace).passed()
    saved = done.code_cells()
    assert done.output == tmp_path / "hunt.out.ipynb"
    assert [cell.execution_count for cell in saved] == [1, 2, 3, 4]
    assert text_of(saved[1]).strip() == "strong: 1"
    assert text_of(saved[2]).split()[-1] == "2"
    assert "<table>" in saved[2].outputs[0].data["text/html"]
    assert saved[3].outputs[0].output_type == "execute_result"
    assert text_of(saved[3]) == "42"
    assert notebook.read_bytes() == before, "the notebook itself is left alone"
    assert str(done.output) in done.stderr
    assert "strong: 1" in done.stdout, "a scheduled run's log holds what cells say"


def test_displays_and_updates_are_saved(tmp_path: Path, workspace: Path) -> None:
    code = """println!("a");
let shown = display::html("<i>0</i>");
println!("b");
shown.update([("text/html", "<i>1</i>".to_string())]);"""
    outputs = run_cells(tmp_path, workspace, [code]).passed().code_cells()[0].outputs
    assert [output.output_type for output in outputs] == ["stream", "display_data", "stream"]
    assert outputs[1].data["text/html"] == "<i>1</i>"


def test_cleared_output_is_not_saved(tmp_path: Path, workspace: Path) -> None:
    code = 'println!("1 of 2");\ndisplay::clear_output(true);\nprintln!("2 of 2");'
    outputs = run_cells(tmp_path, workspace, [code]).passed().code_cells()[0].outputs
    assert [output.text for output in outputs] == ["2 of 2\n"]


def test_nobody_answers_questions(tmp_path: Path, workspace: Path) -> None:
    run_cells(tmp_path, workspace, ['let name = input("Who? ")?;']).failed("nobody can answer")


def test_the_output_may_be_named(tmp_path: Path, workspace: Path) -> None:
    notebook = write_notebook(tmp_path / "a.ipynb", ["%kql print a=1"])
    target = tmp_path / "deep.ipynb"
    assert len(run(notebook, workspace, "-o", str(target)).passed().code_cells()) == 1
    assert not (tmp_path / "a.out.ipynb").exists()


def test_an_old_output_does_not_survive(tmp_path: Path, workspace: Path) -> None:
    notebook = write_notebook(tmp_path / "a.ipynb", ["%kql nothing", "%kql print a=1"])
    loaded = nbformat.read(notebook, as_version=4)
    loaded.cells[1].outputs = [nbformat.v4.new_output("stream", text="old")]
    loaded.cells[1].execution_count = 9
    nbformat.write(loaded, notebook)
    cells = run(notebook, workspace).failed().code_cells()
    assert cells[1].outputs == [] and cells[1].execution_count is None


@pytest.mark.parametrize(
    ("failing", "name", "message"),
    [
        ("%kql hitz | count", "KqlError", "hitz"),
        ('panic!("boom");', "Panic", "boom"),
        ('"x".parse::<i32>()?;', "Error", "invalid digit"),
        ("let wrong: i32 = true;", "CompileError", "E0308"),
        ("std::process::abort();", "CellCrashed", "SIGABRT"),
    ],
)
def test_a_failing_cell_stops_the_run(tmp_path: Path, workspace: Path, failing: str, name: str, message: str) -> None:
    cells = ["%kql print a=1", failing, 'println!("never");']
    done = run_cells(tmp_path, workspace, cells).failed("cell 2", message)
    first, second, third = done.code_cells()
    assert text_of(first).split()[-1] == "1"
    errors = [output for output in second.outputs if output.output_type == "error"]
    assert [error.ename for error in errors] == [name]
    assert message in "\n".join([errors[0].evalue, *errors[0].traceback])
    assert third.outputs == [] and third.execution_count is None
    assert "\x1b" not in done.stderr, "no colour codes in a log"


def test_a_missing_file(tmp_path: Path, workspace: Path) -> None:
    missing = tmp_path / "nothing.ipynb"
    done = run(missing, workspace).failed("nothing.ipynb", "cannot read", code=2)
    assert not done.output.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("{}", "nbformat"),
        ("[]", "nbformat"),
        ('{"nbformat": 3, "nbformat_minor": 0, "worksheets": []}', "nbformat 3"),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "cells"),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": 7}', "cells"),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": "code"}]}', "cell 1"),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [7]}', "cell 1"),
    ],
)
def test_a_malformed_notebook(tmp_path: Path, workspace: Path, text: str, message: str) -> None:
    notebook = tmp_path / "bad.ipynb"
    notebook.write_text(text)
    done = run(notebook, workspace).failed("bad.ipynb", message, code=2)
    assert not done.output.exists()


def test_a_notebook_that_is_not_text(tmp_path: Path, workspace: Path) -> None:
    notebook = tmp_path / "bad.ipynb"
    notebook.write_bytes(b"\xff\xfe\x00")
    run(notebook, workspace).failed("bad.ipynb", code=2)


def test_a_folder_that_cannot_be_written(tmp_path: Path, workspace: Path) -> None:
    notebook = write_notebook(tmp_path / "a.ipynb", ["%kql print a=1"])
    target = tmp_path / "missing" / "out.ipynb"
    run(notebook, workspace, "-o", str(target)).failed("cannot save", "out.ipynb", code=2)


def test_sources_as_lists_and_other_cells(tmp_path: Path, workspace: Path) -> None:
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell("# Title"),
            nbformat.v4.new_code_cell("let a = 1;\na + 1"),
            nbformat.v4.new_raw_cell("raw"),
            nbformat.v4.new_code_cell(""),
        ]
    )
    nbformat.write(notebook, tmp_path / "mixed.ipynb")
    done = run(tmp_path / "mixed.ipynb", workspace).passed()
    assert [cell.cell_type for cell in done.notebook().cells] == ["markdown", "code", "raw", "code"]
    assert text_of(done.code_cells()[0]) == "2"


def with_parameters(tmp_path: Path, workspace: Path, *arguments: str, minor: int = 5) -> Run:
    notebook = write_notebook(tmp_path / "p.ipynb", [PARAMETERS, SHOW], parameters=0, minor=minor)
    return run(notebook, workspace, *arguments)


def test_parameters_have_defaults(tmp_path: Path, workspace: Path) -> None:
    done = with_parameters(tmp_path, workspace).passed()
    assert "threshold 1.0, table T, rows 3, dry false" in done.stdout


@pytest.mark.parametrize("minor", [4, 5])
def test_parameters_are_set(tmp_path: Path, workspace: Path, minor: int) -> None:
    arguments = ["-p", "threshold=2.5", "-p", 'table=My "T"', "-p", "rows=7", "-p", "dry=true"]
    done = with_parameters(tmp_path, workspace, *arguments, minor=minor).passed()
    assert 'threshold 2.5, table My "T", rows 7, dry true' in done.stdout
    injected = done.code_cells()[1]
    assert "let threshold = 2.5;" in injected.source
    assert injected.metadata.tags == ["injected-parameters"]


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("threshold=many", ["threshold", "a number", "many"]),
        ("rows=2.5", ["rows", "whole number", "2.5"]),
        ("rows=1; panic!()", ["rows", "whole number"]),
        ("dry=perhaps", ["dry", "true or false"]),
        ("treshold=2", ["treshold", "threshold", "table", "rows", "dry"]),
        ("threshold", ["name=value"]),
    ],
)
def test_wrong_parameters_run_nothing(tmp_path: Path, workspace: Path, argument: str, words: list[str]) -> None:
    done = with_parameters(tmp_path, workspace, "-p", argument).failed(*words, code=2)
    assert not done.output.exists()


def test_parameters_need_their_cell(tmp_path: Path, workspace: Path) -> None:
    notebook = write_notebook(tmp_path / "p.ipynb", ["let threshold = 1.0;"])
    run(notebook, workspace, "-p", "threshold=2").failed("parameters", code=2)


@pytest.fixture
def workspace_variable(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels that other programs start take the workspace from the environment."""
    monkeypatch.setenv("HUNTBOOK_WORKSPACE", str(workspace))


@pytest.mark.usefixtures("workspace_variable")
def test_nbclient(tmp_path: Path) -> None:
    cells = [HITS, 'let strong = hits.filter(col("score").gt(1.0)).height();', "strong"]
    notebook = nbformat.read(write_notebook(tmp_path / "n.ipynb", cells), as_version=4)
    client = nbclient.NotebookClient(
        notebook, kernel_name="huntbook", timeout=600, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    nbformat.validate(notebook)
    assert text_of(notebook.cells[2]) == "1"
    assert [cell.execution_count for cell in notebook.cells] == [1, 2, 3]


@pytest.mark.usefixtures("workspace_variable")
@pytest.mark.parametrize("failing", ['panic!("boom");', '"x".parse::<i32>()?;', "%kql nothing"])
def test_nbclient_stops_at_a_failure(tmp_path: Path, failing: str) -> None:
    notebook = nbformat.read(write_notebook(tmp_path / "n.ipynb", [failing, "1"]), as_version=4)
    client = nbclient.NotebookClient(notebook, kernel_name="huntbook", timeout=600)
    with pytest.raises(nbclient.exceptions.CellExecutionError):
        client.execute()
    assert notebook.cells[1].outputs == []


@pytest.mark.usefixtures("workspace_variable")
def test_papermill(tmp_path: Path) -> None:
    source = write_notebook(tmp_path / "p.ipynb", [HITS, "hits.height()"])
    target = tmp_path / "done.ipynb"
    papermill.execute_notebook(str(source), str(target), kernel_name="huntbook", progress_bar=False, cwd=str(tmp_path))
    assert text_of(nbformat.read(target, as_version=4).cells[1]) == "2"


@pytest.mark.usefixtures("workspace_variable")
def test_papermill_stops_at_a_failure(tmp_path: Path) -> None:
    source = write_notebook(tmp_path / "p.ipynb", ['panic!("boom");', "1"])
    with pytest.raises(papermill.PapermillExecutionError, match="boom"):
        papermill.execute_notebook(str(source), str(tmp_path / "o.ipynb"), kernel_name="huntbook", progress_bar=False)
