"""Queries, frames and the two ways between them and Rust."""

from __future__ import annotations

import pytest

from harness import HITS, Kernel


@pytest.fixture(autouse=True)
def hits(kernel: Kernel) -> None:
    """Every test begins with the same frame `hits`, whatever the test before did to it."""
    kernel.ok(HITS)


def test_print_shows_a_table(kernel: Kernel) -> None:
    results = kernel.ok("%kql print a=1").of("execute_result")
    assert len(results) == 1
    data = results[0]["data"]
    assert data["text/plain"].split()[-1] == "1"
    assert "<table>" in data["text/html"]


def test_datatable(kernel: Kernel) -> None:
    table = kernel.value('%kql datatable(user:string, n:long)["ann", 1, "bob", 2] | where n > 1')
    assert "bob" in table and "ann" not in table


def test_a_cell_magic_takes_the_cell(kernel: Kernel) -> None:
    assert kernel.value("%%kql\nhits\n| where score > 1.0\n\n| project user\n").split()[-1] == "ann"


def test_binding_shows_shape_only(kernel: Kernel) -> None:
    bound = kernel.ok(HITS)
    assert "2 rows × 2 columns" in bound.text
    assert "ann" not in bound.text


def test_a_query_sees_a_frame(kernel: Kernel) -> None:
    assert kernel.count("hits") == 2
    assert kernel.count("hits | where score > 1.0") == 1


def test_a_rust_cell_sees_a_frame(kernel: Kernel) -> None:
    assert kernel.value('hits.filter(col("score").gt(1.0)).height()') == "1"


def test_a_query_sees_a_rust_frame(kernel: Kernel) -> None:
    kernel.ok('let top = hits.filter(col("score").gt(1.0));')
    assert kernel.count("top") == 1
    kernel.ok('let top = hits.filter(col("score").gt(0.0));')
    assert kernel.count("top") == 2, "a query after a new `let` sees the new rows"


def test_a_frame_shows_itself(kernel: Kernel) -> None:
    shown = kernel.ok('hits.sort("score", desc())').of("execute_result")
    assert len(shown) == 1
    assert "<table>" in shown[0]["data"]["text/html"]
    assert "ann" in shown[0]["data"]["text/plain"]


def test_rows_as_structs(kernel: Kernel) -> None:
    kernel.ok("#[derive(Debug, Clone, serde::Deserialize)] struct Access { user: String, score: f64 }")
    kernel.ok("let accesses = hits.rows::<Access>()?;")
    assert kernel.value("accesses.len()") == "2"
    assert kernel.value("accesses[0].user.clone()") == '"ann"'
    assert kernel.value("accesses.iter().map(|access| access.score).sum::<f64>()") == "2.0"


def test_a_column(kernel: Kernel) -> None:
    kernel.ok('let scores = hits.column::<f64>("score")?;')
    assert kernel.value("scores") == "[1.5, 0.5]"


def test_columns_as_an_array(kernel: Kernel) -> None:
    kernel.ok('let matrix = hits.to_ndarray(["score"])?;')
    assert kernel.value("matrix.shape().to_vec()") == "[2, 1]"


def test_a_frame_of_rust_values(kernel: Kernel) -> None:
    kernel.ok(
        "#[derive(serde::Serialize)] struct Login { user: String, failures: i64 }\n"
        'let logins = frame_of(vec![Login { user: "ann".into(), failures: 3 }, Login { user: "bob".into(), failures: 1 }])?;'
    )
    assert kernel.count("logins | where failures > 2") == 1
    joined = kernel.value("%kql logins | join kind=inner hits on user | where failures > 2 | project user, score")
    assert joined.split()[-2:] == ["ann", "1.5"]


def test_kql_on_a_handle(kernel: Kernel) -> None:
    assert kernel.value('hits.kql("where score < 1.0")?.height()') == "1"


def test_kql_from_rust(kernel: Kernel) -> None:
    assert kernel.value('kql("hits | where user == \\"bob\\"").run()?.height()') == "1"


def test_grouping(kernel: Kernel) -> None:
    kernel.ok('let groups = hits.group_by(["user"]).agg([len().alias("n"), col("score").max()]);')
    assert kernel.value("groups.height()") == "2"


@pytest.mark.parametrize(
    ("definition", "condition", "rows"),
    [
        ("let limit = 1.0;", "score > ${limit}", 1),
        ("let limit = 1;", "score > ${limit}", 1),
        ('let limit = "bob".to_string();', "user == ${limit}", 1),
        ("let limit = true;", "(score > 1.0) == ${limit}", 1),
        # A value is a value: text cannot end its own literal.
        ('let limit = "x\\" or 1 == 1 //".to_string();', "user == ${limit}", 0),
    ],
)
def test_a_scalar_in_a_query(kernel: Kernel, definition: str, condition: str, rows: int) -> None:
    kernel.ok(definition)
    assert kernel.count(f"hits | where {condition}") == rows


def test_a_scalar_that_cannot_stand_in_a_query(kernel: Kernel) -> None:
    kernel.ok("let list = vec![1, 2];")
    error = kernel.fails("%kql hits | where score > ${list}", "KqlError").error_text
    assert "list" in error


def test_an_unknown_scalar(kernel: Kernel) -> None:
    assert "nowhere" in kernel.fails("%kql hits | where score > ${nowhere}", "KqlError").error_text


def test_rust_and_magics_mix_in_one_cell(kernel: Kernel) -> None:
    cell = """let low = 1.0;
println!("before");
%kql strong << hits | where score > ${low}
println!("after {}", strong.height());
%kql strong | count
low + 0.25"""
    outputs = kernel.ok(cell).in_order()
    kinds = [output.split(":")[0] for output in outputs]
    # Only the last thing in a cell is its value; a table before it is shown.
    assert kinds == ["stdout", "text/plain", "stdout", "text/html", "result"], outputs
    assert outputs[2] == "stdout:after 1"
    assert outputs[-1] == "result:1.25"


def test_a_percent_in_rust_is_no_magic(kernel: Kernel) -> None:
    assert kernel.value("let seven = 7;\n(seven\n% 4)") == "3"


def test_la_write_makes_a_custom_table(kernel: Kernel) -> None:
    assert "2 rows" in kernel.ok("%la_write hits Test").text
    assert kernel.count("Test_CL") == 2
    kernel.ok("%la_write hits Test_CL")
    assert kernel.count("Test_CL") == 4, "rows are appended"
    assert kernel.count("Test_CL | where isnotnull(TimeGenerated)") == 4


def test_la_write_of_a_rust_frame(kernel: Kernel) -> None:
    kernel.ok('let strong_rows = hits.filter(col("score").gt(1.0));')
    assert "1 row" in kernel.ok("%la_write strong_rows FromRust").text
    assert kernel.count("FromRust_CL") == 1


def test_la_write_refuses_what_does_not_fit(kernel: Kernel) -> None:
    kernel.ok("%la_write hits Typed")
    kernel.ok('%kql wrong << print user="x", score="text"')
    assert "score" in kernel.fails("%la_write wrong Typed").error_text
    assert kernel.count("Typed_CL") == 2, "nothing of the refused rows was written"


def test_a_new_binding_is_seen_by_the_next_rust_cell(kernel: Kernel) -> None:
    assert kernel.value("hits.height()") == "2"
    kernel.ok("let kept = hits.clone();")
    kernel.ok('%kql hits << datatable(user:string, score:real)["a", 1.0, "b", 2.0, "c", 3.0]')
    assert kernel.value("hits.height()") == "3"
    assert kernel.value("kept.height()") == "2", "a handle means the rows it was made from"


def test_help_and_lists(kernel: Kernel) -> None:
    assert "%kql" in kernel.ok("%help").text
    assert "hits" in kernel.ok("%frames").text
    assert "--limit" in kernel.ok("%kql --help").text
    assert "local workspace" in kernel.ok("%workspace").text


def test_a_frame_named_like_a_rust_word_in_text_is_not_touched(kernel: Kernel) -> None:
    assert kernel.value('"hits".len() // hits') == "4"
