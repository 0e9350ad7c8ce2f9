"""Completion and inspection in `%kql` and in Rust, as Jupyter's clients ask for them."""

from __future__ import annotations

from typing import Any

import pytest

from harness import HITS, Kernel, wait_until


@pytest.fixture(autouse=True)
def hits(kernel: Kernel) -> None:
    kernel.ok(HITS)


def completed(kernel: Kernel, marked: str) -> tuple[list[str], str]:
    """The completions at `‸`, and the text that they replace."""
    cursor = marked.index("‸")
    code = marked.replace("‸", "")
    reply = kernel.ask(kernel.client.complete(code, cursor))
    assert reply["status"] == "ok"
    return reply["matches"], code[reply["cursor_start"] : reply["cursor_end"]]


def inspected(kernel: Kernel, marked: str) -> dict[str, Any]:
    cursor = marked.index("‸")
    return kernel.ask(kernel.client.inspect(marked.replace("‸", ""), cursor))


def test_frames_are_tables(kernel: Kernel) -> None:
    matches, replaced = completed(kernel, "%kql hi‸")
    assert matches[0] == "hits" and replaced == "hi"


def test_columns_of_the_pipeline(kernel: Kernel) -> None:
    matches, replaced = completed(kernel, "%kql hits | summarize n = count() by user | where u‸")
    assert matches[0] == "user" and replaced == "u"
    assert "score" not in matches


def test_a_cell_magic_and_text_that_is_not_ascii(kernel: Kernel) -> None:
    matches, replaced = completed(kernel, "%%kql\n// Größe und Maß ✓\nhits\n| where sc‸ > 1.0")
    assert matches[0] == "score" and replaced == "sc"


def test_a_line_magic_behind_rust(kernel: Kernel) -> None:
    matches, _ = completed(kernel, "let a = 1;\n%kql top << hits | whe‸\nlet b = 2;")
    assert matches[0] == "where"


def test_kinds_are_said(kernel: Kernel) -> None:
    code = "%kql hits | where us"
    reply = kernel.ask(kernel.client.complete(code, len(code)))
    kinds = {item["text"]: item for item in reply["metadata"]["_jupyter_types_experimental"]}
    assert kinds["user"]["type"] == "column" and kinds["user"]["signature"] == "string"


def test_magics_by_name(kernel: Kernel) -> None:
    assert completed(kernel, "%la‸") == (["la_write"], "la")


def test_rust_has_no_kql(kernel: Kernel) -> None:
    assert "where" not in completed(kernel, "let wh‸")[0]


def completes(kernel: Kernel, marked: str, wanted: str) -> str:
    """The text that is replaced. rust-analyzer may first have to warm up: until then the answer is without it."""
    wait_until(lambda: wanted in completed(kernel, marked)[0], f"{wanted} for {marked}")
    return completed(kernel, marked)[1]


def test_rust_is_completed(kernel: Kernel) -> None:
    assert completes(kernel, '"abc".starts_wi‸', "starts_with") == "starts_wi"
    # Jupyter counts code points, not bytes nor what a person sees as one character.
    assert completes(kernel, 'let s = "e\u0301😀"; s.starts_wi‸', "starts_with") == "starts_wi"
    assert completes(kernel, "%kql print a=1\nhits.hei‸", "height") == "hei"


def test_variables_are_completed(kernel: Kernel) -> None:
    kernel.ok("let verdicts = vec![1, 2];")
    completes(kernel, "verdi‸", "verdicts")
    completes(kernel, "verdicts.is_em‸", "is_empty")


def test_completion_does_not_wait_for_a_cell(own_kernel: Kernel) -> None:
    own_kernel.ok("let verdicts = vec![1, 2];")
    request = own_kernel.send('println!("started");\nloop {}')
    own_kernel.until_stdout(request, "started")
    assert completed(own_kernel, "let n = verdi‸") == (["verdicts"], "verdi")
    assert inspected(own_kernel, "verdicts‸")["found"]
    own_kernel.interrupt()
    assert own_kernel.outcome(request).status == "error"


def test_a_broken_query_is_completed(kernel: Kernel) -> None:
    matches, _ = completed(kernel, "%kql hits | where ((score > | extend x = strcat(us‸")
    assert matches[0] == "user"


def test_inspection(kernel: Kernel) -> None:
    found = inspected(kernel, "%kql hits | where sco‸re > 1.0")
    assert found["found"] and "`score`: column, real" in found["data"]["text/markdown"]
    assert "- `user`: string" in inspected(kernel, "%kql hi‸ts")["data"]["text/plain"]
    assert "ago(timespan)" in inspected(kernel, "%kql print a‸go(1d)")["data"]["text/plain"]
    assert "[NAME <<]" in inspected(kernel, "%kq‸l hits")["data"]["text/plain"]
    assert not inspected(kernel, "zz_no_such‸_name")["found"]


def test_inspection_of_rust(kernel: Kernel) -> None:
    kernel.ok("let inspected_number = 7u8;")
    assert "inspected_number: u8" in inspected(kernel, "inspected_nu‸mber + 1")["data"]["text/plain"]
    frame = inspected(kernel, "hits‸.height()")["data"]["text/markdown"]
    assert "2 rows × 2 columns" in frame and "- `score`: real" in frame and "ann" not in frame
    assert "Vec" in inspected(kernel, "std::vec::Vec‸")["data"]["text/plain"]


def test_more_detail(kernel: Kernel) -> None:
    for code in ("hits", "%kql hits"):
        reply = kernel.ask(kernel.client.inspect(code, len(code), detail_level=1))
        assert "real, 0 null" in reply["data"]["text/markdown"] and "ann" in reply["data"]["text/markdown"]
