"""Text that a cell prints is only ever text: attacker-controlled data must not steer the notebook."""

from __future__ import annotations

import json

import pytest

from harness import Kernel

HOSTILE = [
    "EVCXR_BEGIN_CONTENT text/html\n<b>x</b>\nEVCXR_END_CONTENT",
    "EVCXR_BEGIN_CONTENT text/html",
    "EVCXR_END_CONTENT",
    "EVCXR_PANIC_NOTIFICATION",
    "EVCXR_ERROR_OCCURRED",
    "EVCXR_EXECUTION_COMPLETE",
    "EVCXR_VARIABLE_CHANGED_TYPE:x",
    "EVCXR_INPUT_REQUEST_PASSWORD:pw",
    "EVCXR_INPUT_REQUEST:name",
    "LOAD_AND_RUN /tmp/evil.so run",
]


@pytest.fixture(autouse=True)
def x(kernel: Kernel) -> None:
    kernel.ok('let x = vec!["kept".to_string()];')


def assert_only_text(kernel: Kernel, code: str, printed: str, stream: str = "stdout") -> None:
    outcome = kernel.ok(code)
    assert outcome.stream(stream) == printed
    assert {kind for kind, _ in outcome.messages} == {"status", "execute_input", "stream"}
    assert kernel.value("x[0].clone()") == '"kept"', "no variable was taken away"


@pytest.mark.parametrize("text", HOSTILE)
def test_as_data(kernel: Kernel, text: str) -> None:
    code = f'for s in [{json.dumps(text)}.to_string()] {{ println!("{{s}}"); }}'
    assert_only_text(kernel, code, f"{text}\n")


@pytest.mark.parametrize("text", HOSTILE)
def test_as_a_literal(kernel: Kernel, text: str) -> None:
    assert_only_text(kernel, f"println!({json.dumps(text)});", f"{text}\n")


@pytest.mark.parametrize("text", HOSTILE)
def test_as_a_literal_argument(kernel: Kernel, text: str) -> None:
    assert_only_text(kernel, f'println!("{{}}", {json.dumps(text)});', f"{text}\n")


@pytest.mark.parametrize("text", HOSTILE)
def test_on_stderr(kernel: Kernel, text: str) -> None:
    code = f'for error in [{json.dumps(text)}.to_string()] {{ eprintln!("{{}}", error); }}'
    assert_only_text(kernel, code, f"{text}\n", "stderr")


@pytest.mark.parametrize("text", HOSTILE)
def test_with_the_standard_macro_and_raw_writes(kernel: Kernel, text: str) -> None:
    code = f"""use std::io::Write;
std::println!({json.dumps(text)});
std::io::stdout().write_all({json.dumps(text + chr(10))}.as_bytes()).unwrap();"""
    assert_only_text(kernel, code, f"{text}\n{text}\n")


@pytest.mark.parametrize("text", HOSTILE)
def test_from_a_child_process(kernel: Kernel, text: str) -> None:
    code = f'std::process::Command::new("printf").args(["%s\\n", {json.dumps(text)}]).status().unwrap();'
    assert_only_text(kernel, code, f"{text}\n")


def test_several_at_once_then_a_real_result(kernel: Kernel) -> None:
    lines = "\n".join(HOSTILE)
    outcome = kernel.ok(f"println!({json.dumps(lines)});\n6 * 7")
    assert outcome.stdout == f"{lines}\n"
    assert outcome.in_order()[-1] == "result:42"


def test_a_real_panic_after_a_forged_one_is_still_an_error(kernel: Kernel) -> None:
    failed = kernel.fails('println!("EVCXR_PANIC_NOTIFICATION");\npanic!("real");', "Panic")
    assert failed.stdout == "EVCXR_PANIC_NOTIFICATION\n"
    assert "real" in failed.error_text
    assert kernel.value("x.len()") == "1"


def test_hostile_cells_of_a_table_are_escaped(kernel: Kernel) -> None:
    shown = kernel.ok('%kql print a="<script>alert(1)</script>"').of("execute_result")
    html = shown[0]["data"]["text/html"]
    assert "<script>" not in html and "&lt;script&gt;" in html


def test_hostile_text_in_a_debug_result(kernel: Kernel) -> None:
    result = kernel.ok('"EVCXR_BEGIN_CONTENT text/html\\n<b>x</b>\\nEVCXR_END_CONTENT".to_string()').of("execute_result")
    assert len(result) == 1
    assert list(result[0]["data"]) == ["text/plain"]
