"""Damaged files, a full disk and a second process: clear messages, and no acknowledged row is lost.

Notebooks here hold magics only: they start no Rust and run in a moment.
"""

from __future__ import annotations

import fcntl
import os
import random
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import Run, run_cells, start_run, write_notebook

ROWS = '%kql rows << datatable(user:string, score:real)["ann", 1.5, "bob", 0.5]'


def write_tables(folder: Path, workspace: Path, *tables: str) -> None:
    run_cells(folder, workspace, [ROWS, *[f"%la_write rows {table}" for table in tables]]).passed()


def count(folder: Path, workspace: Path, table: str) -> int:
    done = run_cells(folder, workspace, [f"%kql {table} | count"]).passed()
    return int(done.stdout.split()[-1])


def segments(workspace: Path, table: str) -> list[Path]:
    return sorted((workspace / "tables" / table).glob("*.parquet"))


def truncate_to_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def overwrite_with_noise(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(path.stat().st_size))


def make_empty(path: Path) -> None:
    path.write_bytes(b"")


def damage_the_data(path: Path) -> None:
    """The footer still reads; the first column's pages do not."""
    content = bytearray(path.read_bytes())
    content[4:64] = b"\xff" * 60
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [truncate_to_half, overwrite_with_noise, make_empty, damage_the_data])
def test_a_damaged_segment_is_named(tmp_path: Path, workspace: Path, damage: Callable[[Path], None]) -> None:
    write_tables(tmp_path, workspace, "X", "X", "Y")
    victim = segments(workspace, "X_CL")[0]
    damage(victim)
    query = "%kql X_CL | project TimeGenerated, user, score"
    failed = run_cells(tmp_path, workspace, [query]).failed(victim.name)
    assert "ann" not in failed.stdout, "no answer from the rest of the rows as if nothing were missing"
    assert count(tmp_path, workspace, "Y_CL") == 2, "other tables are unharmed"
    # The advice of the message works.
    victim.rename(tmp_path / victim.name)
    assert count(tmp_path, workspace, "X_CL") == 2


def test_a_damaged_schema_is_named(tmp_path: Path, workspace: Path) -> None:
    write_tables(tmp_path, workspace, "X", "Y")
    schema = workspace / "tables" / "X_CL" / "schema.json"
    schema.write_text('{"version": 1, "columns": [')
    run_cells(tmp_path, workspace, ["%kql X_CL | count"]).failed("schema.json")
    run_cells(tmp_path, workspace, [ROWS, "%la_write rows X"]).failed("schema.json")
    assert count(tmp_path, workspace, "Y_CL") == 2
    assert len(segments(workspace, "X_CL")) == 1


def test_a_half_written_segment_is_never_seen(tmp_path: Path, workspace: Path) -> None:
    write_tables(tmp_path, workspace, "X")
    # What a crash in the middle of an append leaves.
    (workspace / "tables" / "X_CL" / ".000002-0.parquet.tmp").write_bytes(b"PAR1 half")
    assert count(tmp_path, workspace, "X_CL") == 2
    write_tables(tmp_path, workspace, "X")
    assert count(tmp_path, workspace, "X_CL") == 4


def test_a_killed_writer_loses_nothing_acknowledged(tmp_path: Path, workspace: Path) -> None:
    cells = [ROWS, *["%la_write rows X"] * 5000]
    writer = start_run(write_notebook(tmp_path / "writer.ipynb", cells), workspace)
    assert writer.stdout is not None
    acknowledged = 0
    for line in writer.stdout:
        acknowledged += "2 rows accepted" in line
        if acknowledged == 20:
            writer.send_signal(signal.SIGKILL)
            break
    rest, _ = writer.communicate(timeout=60)
    acknowledged += rest.count("2 rows accepted")
    assert count(tmp_path, workspace, "X_CL") >= 2 * acknowledged
    write_tables(tmp_path, workspace, "X")


def test_two_processes_append_at_once(tmp_path: Path, workspace: Path) -> None:
    cells = [ROWS, *["%la_write rows X"] * 25]
    writers = [start_run(write_notebook(tmp_path / f"writer{number}.ipynb", cells), workspace) for number in range(2)]
    for writer in writers:
        stdout, stderr = writer.communicate(timeout=600)
        assert writer.returncode == 0, f"{stdout}\n{stderr}"
        assert stdout.count("2 rows accepted") == 25
    assert count(tmp_path, workspace, "X_CL") == 2 * 2 * 25
    assert len(segments(workspace, "X_CL")) == 50


def test_a_stuck_writer_is_named(tmp_path: Path, workspace: Path) -> None:
    write_tables(tmp_path, workspace, "X")
    with open(workspace / ".lock", "r+") as lock:
        # The lock that Rust's File::try_lock takes on Linux.
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(f"process {os.getpid()}\n")
        lock.flush()
        failed = run_cells(tmp_path, workspace, [ROWS, "%la_write rows X"])
        failed.failed(f"process {os.getpid()}", str(workspace), "nothing was written")
        assert count(tmp_path, workspace, "X_CL") == 2, "readers take no lock"
    write_tables(tmp_path, workspace, "X")
    assert count(tmp_path, workspace, "X_CL") == 4


@pytest.fixture
def many_rows(tmp_path: Path) -> Path:
    """A file of text that does not compress below a megabyte."""
    noise = random.Random(7)
    path = tmp_path / "many.csv"
    path.write_text("n,noise\n" + "".join(f"{row},{noise.randbytes(64).hex()}\n" for row in range(40_000)))
    return path


def assert_disk_was_full(failed: Run, tmp_path: Path, workspace: Path, advice: str) -> None:
    """The failing write says so and leaves everything as it was."""
    failed.failed(advice, "Nothing was added")
    leftovers = [path.name for path in (workspace / "tables").rglob("*") if ".tmp" in path.name]
    assert leftovers == []
    assert count(tmp_path, workspace, "X_CL") == 2
    write_tables(tmp_path, workspace, "X")
    assert count(tmp_path, workspace, "X_CL") == 4


def small_files_only() -> None:
    """In the child: no file may grow beyond 256 KiB, and trying is an error rather than a signal."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (256 * 1024, 256 * 1024))


@pytest.mark.parametrize("table", ["X", "New"])
def test_a_file_that_may_not_grow(tmp_path: Path, workspace: Path, many_rows: Path, table: str) -> None:
    write_tables(tmp_path, workspace, "X")
    cells = [f"%blob many << read {many_rows}", f"%la_write many {table}"]
    failed = run_cells(tmp_path, workspace, cells, preexec_fn=small_files_only)
    assert_disk_was_full(failed, tmp_path, workspace, "File too large")
    run_cells(tmp_path, workspace, ["%kql New_CL | count"]).failed("New_CL")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB; only root may make one, and not in every container."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, text=True)
    if mount.returncode != 0:
        pytest.skip(f"no tmpfs here: {mount.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk(tmp_path: Path, small_disk: Path, many_rows: Path) -> None:
    workspace = small_disk / "workspace"
    write_tables(tmp_path, workspace, "X")
    failed = run_cells(tmp_path, workspace, [f"%blob many << read {many_rows}", "%la_write many X"])
    assert_disk_was_full(failed, tmp_path, workspace, "free some disk space")


def test_a_full_disk_under_the_saved_notebook(tmp_path: Path, workspace: Path, small_disk: Path) -> None:
    notebook = write_notebook(tmp_path / "a.ipynb", ["%kql print a=1"])
    target = small_disk / "out.ipynb"
    target.write_text("the old output")
    with open(small_disk / "filler", "wb", buffering=0) as filler:
        try:
            while True:
                filler.write(b"x" * 4096)
        except OSError:
            pass
    process = start_run(notebook, workspace, "-o", str(target))
    _, stderr = process.communicate(timeout=600)
    assert process.returncode == 2
    assert "cannot save" in stderr and "out.ipynb" in stderr
    assert target.read_text() == "the old output"
    assert [path.name for path in small_disk.iterdir() if "tmp" in path.name] == []


def test_a_workspace_that_is_a_file(tmp_path: Path) -> None:
    workspace = tmp_path / "file"
    workspace.write_text("not a folder")
    run_cells(tmp_path, workspace, ["%kql print a=1"]).failed(str(workspace), code=2)


@pytest.mark.parametrize("name", ["../X", "a b", "", "1st", "x" * 300])
def test_table_names_cannot_leave_the_workspace(tmp_path: Path, workspace: Path, name: str) -> None:
    run_cells(tmp_path, workspace, [ROWS, f'%la_write rows "{name}"']).failed()
    assert not (workspace / "tables").exists() or not list((workspace / "tables").iterdir())
    assert not (workspace / "X_CL").exists()


def test_a_csv_that_is_cut(tmp_path: Path, workspace: Path) -> None:
    (tmp_path / "cut.csv").write_text('a,b\n1,"open\n')
    run_cells(tmp_path, workspace, ["%blob x << read cut.csv"]).failed("cut.csv")


def test_a_parquet_file_that_is_none(tmp_path: Path, workspace: Path) -> None:
    (tmp_path / "fake.parquet").write_text("hello")
    run_cells(tmp_path, workspace, ["%blob read fake.parquet"]).failed("fake.parquet")
