"""What cells are built of is built once per machine, not per start."""

from __future__ import annotations

import os
import re
from pathlib import Path

from harness import HITS, Run, run, start_run, write_notebook

CELLS = [HITS, "let rows = hits.height();", "rows + 1", "use serde::Serialize;\n#[derive(Serialize)] struct Row { a: i64 }"]


def compiled(done: Run) -> set[str]:
    """Crates that cargo said it compiled, the cell's own aside."""
    return set(re.findall(r"Compiling (\w[\w-]*)", done.stderr + done.stdout)) - {"ctx"}


def test_a_second_start_compiles_only_cells(tmp_path: Path, workspace: Path) -> None:
    notebook = write_notebook(tmp_path / "n.ipynb", CELLS)
    run(notebook, workspace).passed()
    second = run(notebook, workspace).passed()
    assert compiled(second) == set()
    assert "Preparing Rust cells" not in second.stderr + second.stdout


def test_a_finished_run_leaves_no_build_folder(tmp_path: Path, workspace: Path) -> None:
    cache = Path(os.environ.get("HUNTBOOK_CACHE", Path.home() / ".cache/huntbook"))
    notebook = write_notebook(tmp_path / "n.ipynb", CELLS)
    before = set(cache.glob("kernels/*"))
    run(notebook, workspace).passed()
    assert set(cache.glob("kernels/*")) <= before


def test_two_runs_at_once_do_not_meet(tmp_path: Path, workspace: Path) -> None:
    notebooks = [write_notebook(tmp_path / f"n{number}.ipynb", [f"let x = {number};", "x"]) for number in range(2)]
    running = [start_run(notebook, workspace) for notebook in notebooks]
    for number, process in enumerate(running):
        stdout, stderr = process.communicate(timeout=600)
        assert process.returncode == 0, stderr
        assert stdout.split()[-1] == str(number)
