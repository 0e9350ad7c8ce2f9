"""Secrets are in nothing that a cell emits. The values are invented."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest

from harness import PATIENCE, Kernel, run_cells

KEY = "aW52ZW50ZWQta2V5LW5vdC1yZWFsLWludmVudGVkLWtleS1ub3QtcmVhbC1pbnZlbnRlZC1rZXktbm90LXJlYWw0Mg=="
CONNECTION = f"DefaultEndpointsProtocol=https;AccountName=hunts;AccountKey={KEY};EndpointSuffix=core.windows.net"
PARTS = [KEY[:24], KEY[30:60], KEY[-24:]]


def has_no_secret(what: object) -> None:
    text = json.dumps(what) if not isinstance(what, str) else what
    for part in PARTS:
        assert part not in text, text


@pytest.fixture(scope="module", autouse=True)
def connection(kernel: Kernel) -> None:
    """As the seed notebooks have them: a connection string in a variable, and its key."""
    outcome = kernel.ok(
        f"""let connection_string = "{CONNECTION}".to_string();
let storage_key = connection_string.split("AccountKey=").nth(1).unwrap().split(';').next().unwrap().to_string();"""
    )
    has_no_secret(outcome.of("stream"))


SHOWN = {
    "the connection string": 'println!("{connection_string}");',
    "the key": 'println!("{storage_key}");',
    "stderr": 'eprintln!("{storage_key}");',
    "a value": "storage_key.clone()",
    "debug": "(1, connection_string.clone(), Some(storage_key.clone()))",
    "html": 'display::html(format!("<b>{connection_string}</b><i>{storage_key}</i>"));',
    "json": 'display::show([("application/json", serde_json::json!({"a": [connection_string]}).to_string())]);',
    "a frame": "frame_of(vec![serde_json::json!({\"key\": storage_key})])?",
    "one character at a time": "for c in connection_string.chars() { print!(\"{c}\"); }",
    "the key, slowly": """for c in storage_key.chars() {
    print!("{c}");
    std::thread::sleep(std::time::Duration::from_millis(15));
}""",
    "two writes with a display between": """{
    let (a, b) = storage_key.split_at(40);
    print!("{a}");
    display::text("between");
    println!("{b}");
}""",
    "raw bytes": 'use std::io::Write; std::io::stdout().write_all(connection_string.as_bytes())?;',
    "the shell": f"!echo '{CONNECTION}'; echo {KEY}",
    "a query": f'%kql print connection = "{CONNECTION}", key = "{KEY}"',
    "the variables": "%vars",
}


@pytest.mark.parametrize("code", SHOWN.values(), ids=SHOWN.keys())
def test_what_a_cell_shows(kernel: Kernel, code: str) -> None:
    if "frame_of" in code:
        kernel.ok("#[derive(serde::Serialize)] struct Row { key: String }")
        code = "frame_of(vec![Row { key: storage_key.clone() }])?"
    outcome = kernel.ok(code)
    shown = [content for kind, content in outcome.messages if kind in ("stream", "display_data", "execute_result")]
    text = outcome.stdout + outcome.stderr + json.dumps(shown)
    has_no_secret(text)
    assert "[redacted]" in text, "it is said that something is hidden"
    if "connection_string" in code and "storage_key" not in code:
        assert "AccountName=hunts" in text, "what is no secret stays"


@pytest.mark.parametrize(
    "code",
    [
        'panic!("cannot open {connection_string}")',
        'Err::<i32, String>(format!("no access with {storage_key}"))?;',
        f'let n: i32 = "{CONNECTION}";',
        "%kql print " + CONNECTION.replace(";", " "),
        f"!echo {KEY} >&2; exit 1",
    ],
    ids=["panic", "question mark", "compile error", "kql", "shell"],
)
def test_errors(kernel: Kernel, code: str) -> None:
    outcome = kernel.fails(code)
    has_no_secret([content for kind, content in outcome.messages if kind != "execute_input"])
    has_no_secret(outcome.reply)


@pytest.mark.parametrize("shift", [0, 1, 2])
def test_encodings(kernel: Kernel, shift: int) -> None:
    whole = base64.b64encode(("x" * shift + CONNECTION).encode()).decode()
    key_alone = base64.b64encode(("x" * shift + KEY).encode()).decode()
    url = quote(CONNECTION, safe="")
    halves = [f'print!("{text[:50]}"); print!("{text[50:]}\\n");' for text in (whole, key_alone, url)]
    printed = kernel.ok("\n".join(halves)).stdout
    has_no_secret(printed)
    for encoded in (whole, key_alone, url):
        assert encoded[110:140] not in printed
    assert printed.count("[redacted]") >= 3


def test_an_answer_to_a_password_question(kernel: Kernel) -> None:
    request = kernel.send('let asked = password("Key? ")?;\nprintln!("{}", asked.reveal());')
    assert kernel.client.get_stdin_msg(timeout=PATIENCE)["content"]["password"] is True
    kernel.client.input("correct-horse-battery")
    assert kernel.outcome(request).stdout == "[redacted]\n"


def test_user_expressions(kernel: Kernel) -> None:
    reply = kernel.run("1", user_expressions={"key": "storage_key.clone()", "bad": 'panic!("{storage_key}")'}).reply
    has_no_secret(reply)
    assert "[redacted]" in json.dumps(reply["user_expressions"])


def test_completion_and_history(kernel: Kernel) -> None:
    kernel.ok(f'%kql secrets << datatable(key:string)["{KEY}"]')
    code = "%kql secrets | where key == "
    has_no_secret(kernel.ask(kernel.client.complete(code, len(code))))
    has_no_secret(kernel.ask(kernel.client.inspect("secrets", 3, 1)))
    kept = kernel.ask(kernel.client.history(raw=True, output=True, hist_access_type="tail", n=1000))
    assert len(kept["history"]) > 5
    has_no_secret(kept)
    pwd = Path(kernel.ok("!pwd").stdout.strip())
    kernel.ok("%save all.rs --force")
    has_no_secret((pwd / "all.rs").read_text())
    (pwd / "part.rs").write_text(f'let c = "{CONNECTION}";')
    has_no_secret(kernel.ok("%load part.rs").reply)


def test_ordinary_text_does_not_wait(kernel: Kernel) -> None:
    request = kernel.send('print!("Account key 10 % "); std::thread::sleep(std::time::Duration::from_secs(600));')
    kernel.until_stdout(request, "Account key 10 % ")
    kernel.interrupt()
    kernel.outcome(request)


def test_saved_notebooks(tmp_path: Path, workspace: Path) -> None:
    cells = [
        f'let connection = "{CONNECTION}".to_string();',
        'println!("{connection}"); display::html(connection.clone()); connection.clone()',
        'panic!("{}", &connection[60..])',
    ]
    ran = run_cells(tmp_path, workspace, cells).failed("Panic")
    has_no_secret([cell.outputs for cell in ran.code_cells()])
    assert len(ran.code_cells()[1].outputs) == 3
    has_no_secret(ran.stdout + ran.stderr)
