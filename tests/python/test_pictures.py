"""Queries and frames as pictures: what a front end gets."""

import pytest

from harness import Kernel

HITS = '%kql hits << datatable(at:datetime, user:string, n:long)[datetime(2026-11-02), "<b>ann", 3, datetime(2026-11-03), "bob", 5]'


@pytest.fixture(autouse=True)
def hits(kernel: Kernel) -> None:
    kernel.ok(HITS)


def only_result(kernel: Kernel, code: str) -> dict[str, str]:
    results = kernel.ok(code).of("execute_result")
    assert len(results) == 1
    return results[0]["data"]


def test_render_draws(kernel: Kernel) -> None:
    data = only_result(kernel, '%kql hits | render timechart with (title="By day")')
    svg = data["image/svg+xml"]
    assert svg.startswith("<svg xmlns=") and "By day" in svg and "at [UTC]" in svg
    assert "&lt;b&gt;ann" in svg and "<b>" not in svg
    assert "By day" in data["text/plain"] and "3 to 3" in data["text/plain"]
    assert "<b>" not in data["text/html"] and "data:image/svg+xml," in data["text/html"]


def test_arrays_of_make_series_are_drawn(kernel: Kernel) -> None:
    query = "%kql hits | make-series n = sum(n) on at from datetime(2026-11-01) to datetime(2026-11-05) step 1d"
    assert "hb-line" in only_result(kernel, f"{query} | render timechart")["image/svg+xml"]


def test_what_cannot_be_drawn_is_a_table_with_the_reason(kernel: Kernel) -> None:
    shown = kernel.ok("%kql hits | render pivotchart")
    assert "<table>" in shown.of("execute_result")[0]["data"]["text/html"]
    assert "`render pivotchart` has no picture" in shown.text
    shown = kernel.ok("%kql hits | project user | render piechart")
    assert "needs a column of numbers" in shown.text and "<table>" in shown.text + str(shown.of("execute_result"))


def test_viz_draws_any_query(kernel: Kernel) -> None:
    data = only_result(kernel, '%kql --viz timeline group=user mark="2026-11-02 12:00|noon" hits | where n > 1')
    assert "hb-mark" in data["image/svg+xml"] and "noon" in data["text/plain"]
    failed = kernel.fails("%kql --viz pie hits", "PlotError")
    assert "there are timechart" in failed.error_text
    failed = kernel.fails("%kql --viz processtree hits", "PlotError")
    assert "NewProcessName" in failed.error_text


def test_pictures_from_rust(kernel: Kernel) -> None:
    data = only_result(kernel, 'plot::barchart(&hits).title("Users").y(["n"]).x("user")')
    assert "Users" in data["image/svg+xml"] and "bob" in data["text/plain"]
    assert kernel.value('plot::calendar(&hits).svg()?.starts_with("<svg")') == "true"
