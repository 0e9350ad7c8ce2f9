"""A compile error begins with one suggestion that someone new to Rust can follow."""

from __future__ import annotations

import re

import pytest

from harness import Kernel, plain


def suggestion(kernel: Kernel, code: str) -> str:
    """The first line of the error, which is a suggestion; the only one."""
    error = kernel.fails(code, "CompileError").error
    lines = [plain(line) for line in error["traceback"]]
    assert lines[0].startswith("help: "), lines
    assert not any(line.startswith("help: ") for line in lines[1:])
    for line in lines:
        assert "evcxr" not in line and "huntbook::rt" not in line, "generated code is not the hunter's business"
    return lines[0]


def test_a_variable_moved_in_an_earlier_cell(kernel: Kernel) -> None:
    kernel.ok('let df = vec!["a".to_string()];')
    cell = kernel.ok("let other = df;").reply["execution_count"]
    said = suggestion(kernel, "df.len()")
    assert f"`df` was moved in cell {cell}: use `df.clone()`" in said
    kernel.ok('let df = vec!["b".to_string()];')
    assert kernel.value("df.len()") == "1"


def test_a_variable_moved_in_the_same_cell(kernel: Kernel) -> None:
    said = suggestion(kernel, 'let name = "a".to_string();\ndrop(name);\nname.len()')
    assert "`name` was moved in line 2: use `name.clone()`" in said


def test_a_loop_that_takes(kernel: Kernel) -> None:
    said = suggestion(kernel, "let list = vec![1];\nfor n in list { println!(\"{n}\"); }\nlist.len()")
    assert "`&list`" in said


def test_what_cannot_be_changed(kernel: Kernel) -> None:
    kernel.ok("let fixed = 1;")
    assert "`let mut fixed = fixed;`" in suggestion(kernel, "fixed += 1;")
    kernel.ok("let mut fixed = fixed;")
    kernel.ok("fixed += 1;")


def test_a_reference_between_cells(kernel: Kernel) -> None:
    said = suggestion(kernel, "let owner = vec![1, 2];\nlet look = &owner;")
    assert "`let look = owner.clone();`" in said
    assert kernel.value("let owner = vec![1, 2];\nlet look = owner.clone();\nlook.len()") == "2", "the advice works"


def test_a_closure_between_cells(kernel: Kernel) -> None:
    said = suggestion(kernel, "let add = |x: i64| x + 1;")
    assert "fn add" in said and "Box<dyn Fn(i64) -> i64>" in said
    kernel.ok("let add: Box<dyn Fn(i64) -> i64> = Box::new(|x| x + 1);")
    assert kernel.value("add(1)") == "2", "the advice works"


def test_text_that_should_be_a_string(kernel: Kernel) -> None:
    assert "`.to_string()`" in suggestion(kernel, 'let s: String = "text";')


def test_a_type_that_cannot_be_shown(kernel: Kernel) -> None:
    said = suggestion(kernel, "struct Plain { x: i32 }\nPlain { x: 1 }")
    assert "`#[derive(Debug)]` above `Plain`" in said


def test_a_crate_that_is_not_there(kernel: Kernel) -> None:
    assert "`:dep regexx`" in suggestion(kernel, "use regexx::Regex;\nRegex::new(\"a\")")


def test_the_code_can_be_explained(kernel: Kernel) -> None:
    error = kernel.fails("let n: i32 = true;", "CompileError").error
    assert plain(error["traceback"][-1]) == "`%explain E0308` says more"


@pytest.mark.parametrize(
    ("line", "marked", "indent"),
    [
        ('let größe: i32 = "groß";', '"groß"', 17),
        ('let 名前 = "日本"; let n: i32 = 名前;', "名前", 32),
        ('\tlet n: i32 = "x";', '"x"', 17),
    ],
)
def test_marks_stand_under_what_they_mean(kernel: Kernel, line: str, marked: str, indent: int) -> None:
    error = kernel.fails(line, "CompileError").error_text
    shown = error.splitlines()
    marks = next(text for text in shown if re.search(r"\| +\^+", text))
    before, caret = re.fullmatch(r" *\| ( *)(\^+).*", marks).groups()
    assert len(before) == indent, error
    assert len(caret) == sum(2 if ord(c) > 0x2E80 else 1 for c in marked)
