"""Cells ask the person at the notebook."""

from __future__ import annotations

from typing import Any

from harness import PATIENCE, Kernel


def question(kernel: Kernel) -> dict[str, Any]:
    message = kernel.client.get_stdin_msg(timeout=PATIENCE)
    assert message["msg_type"] == "input_request"
    return message["content"]


def test_an_answer_reaches_the_cell(kernel: Kernel) -> None:
    request = kernel.send('println!("before");\nlet name = input("Who? ")?;\nprintln!("hello {name}");')
    assert question(kernel) == {"prompt": "Who? ", "password": False}
    kernel.until_stdout(request, "before")
    kernel.client.input("Größe ✓")
    assert kernel.outcome(request).stdout == "before\nhello Größe ✓\n"
    assert kernel.value("name.chars().count()") == "7"


def test_a_password_is_never_shown(kernel: Kernel) -> None:
    request = kernel.send('let key = password("Key? ")?;\nkey')
    assert question(kernel) == {"prompt": "Key? ", "password": True}
    kernel.client.input("hunter2")
    asked = kernel.outcome(request)
    assert asked.status == "ok"
    assert asked.text == "Secret(hidden)"
    assert "hunter2" not in str(asked.messages)
    assert kernel.value("key.reveal().len()") == "7"


def test_a_front_end_that_takes_no_questions(kernel: Kernel) -> None:
    refused = kernel.run('input("Who? ")?', allow_stdin=False)
    assert refused.status == "error"
    assert "allow_stdin is false" in refused.error_text


def test_an_answer_that_nobody_asked_for_is_dropped(kernel: Kernel) -> None:
    kernel.client.input("stale")
    request = kernel.send('let fresh = input("Who? ")?;\nfresh')
    question(kernel)
    kernel.client.input("fresh")
    assert kernel.outcome(request).text == '"fresh"'


def test_an_interrupt_ends_the_question_and_keeps_variables(own_kernel: Kernel) -> None:
    own_kernel.ok("let before = 7;")
    request = own_kernel.send('input("Who? ")?;')
    question(own_kernel)
    assert own_kernel.interrupt()["status"] == "ok"
    assert own_kernel.outcome(request).error["ename"] == "Interrupted"
    assert own_kernel.value("before") == "7"
