"""What was run is found again: in the session, and in later ones."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import Kernel

# Magics compile nothing: these tests are about the history, not about Rust.
FIRST, SECOND = "%kql print first=1", "%kql print second=2"


def recalled(kernel: Kernel, kind: str, **options: Any) -> list[list[Any]]:
    reply = kernel.ask(kernel.client.history(hist_access_type=kind, **options))
    assert reply["status"] == "ok"
    return reply["history"]


def inputs(entries: list[list[Any]]) -> list[str]:
    return [text for _, _, text in entries]


def test_tail_and_range(own_kernel: Kernel) -> None:
    own_kernel.ok(FIRST)
    own_kernel.ok(SECOND)
    session, line, _ = recalled(own_kernel, "tail", n=1)[0]
    assert line == 2
    assert inputs(recalled(own_kernel, "tail", n=10)) == [FIRST, SECOND]
    assert recalled(own_kernel, "range", session=0, start=1, stop=2) == [[session, 1, FIRST]]
    assert recalled(own_kernel, "range", session=session, start=2) == [[session, 2, SECOND]]
    assert recalled(own_kernel, "range", session=session + 1, start=0) == []


def test_results_are_remembered(kernel: Kernel) -> None:
    kernel.ok("6 * 7")
    assert recalled(kernel, "tail", n=1, output=True)[0][2] == ["6 * 7", "42"]
    kernel.ok("let quiet = 1;")
    assert recalled(kernel, "tail", n=1, output=True)[0][2] == ["let quiet = 1;", None]


def test_search(own_kernel: Kernel) -> None:
    for code in (FIRST, SECOND, FIRST):
        own_kernel.ok(code)
    assert inputs(recalled(own_kernel, "search", pattern="*print f?rst*")) == [FIRST, FIRST]
    unique = recalled(own_kernel, "search", pattern="%kql*", unique=True)
    assert [(line, text) for _, line, text in unique] == [(2, SECOND), (3, FIRST)]
    assert [line for _, line, _ in recalled(own_kernel, "search", pattern="*", n=1)] == [3]
    assert recalled(own_kernel, "search", pattern="print") == []


def test_what_is_not_to_be_stored_is_not(own_kernel: Kernel) -> None:
    own_kernel.run(FIRST, store_history=False)
    own_kernel.run(FIRST, silent=True)
    own_kernel.ok("")
    own_kernel.ok(SECOND)
    assert inputs(recalled(own_kernel, "tail", n=10)) == [SECOND]


def test_cells_that_fail_are_remembered(own_kernel: Kernel) -> None:
    own_kernel.fails("%no_such_magic")
    assert inputs(recalled(own_kernel, "tail", n=10)) == ["%no_such_magic"]


def test_later_sessions_know_earlier_ones(start_kernel: Callable[..., Kernel], tmp_path: Path) -> None:
    file = tmp_path / "kept" / "history.jsonl"
    environment = {"HUNTBOOK_HISTORY": str(file)}
    earlier = start_kernel(env=environment)
    earlier.ok(FIRST)
    earlier.shut_down()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with file.open("ab") as damaged:
        damaged.write(b'\xff\xfe\n{"session": 1, "line": 2, "inp')

    later, beside = start_kernel(env=environment), start_kernel(env=environment)
    beside.ok(FIRST)
    later.ok(SECOND)
    assert inputs(recalled(later, "tail", n=10)) == [FIRST, FIRST, SECOND]
    sessions = [session for session, _, _ in recalled(later, "tail", n=10)]
    assert len(set(sessions)) == 3, "each kernel has a number of its own"
    assert inputs(recalled(later, "range", session=sessions[0], start=0)) == [FIRST]


def test_a_history_that_cannot_be_kept_does_not_matter(start_kernel: Callable[..., Kernel], tmp_path: Path) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("")
    kernel = start_kernel(env={"HUNTBOOK_HISTORY": str(blocked / "history.jsonl")})
    kernel.ok(FIRST)
    assert inputs(recalled(kernel, "tail", n=10)) == [FIRST]


@pytest.mark.parametrize("kind", ["no_such_kind", ""])
def test_an_unknown_kind_is_an_error(kernel: Kernel, kind: str) -> None:
    reply = kernel.ask(kernel.client.history(hist_access_type=kind))
    assert reply["status"] == "error" and "tail" in reply["evalue"]
