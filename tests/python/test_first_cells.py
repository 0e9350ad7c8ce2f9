"""What the first cells of a session may do; and `.await`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness import Kernel, run_cells


def test_a_question_mark_and_a_value_in_the_first_cell(start_kernel: Callable[..., Kernel]) -> None:
    kernel = start_kernel()
    outcome = kernel.ok('let n = "7".parse::<i32>()?;\nn + 1')
    assert outcome.in_order() == ["result:8"]


def test_the_same_without_a_notebook(tmp_path: Path, workspace: Path) -> None:
    ran = run_cells(tmp_path, workspace, ['let n = "7".parse::<i32>()?;\nn + 1']).passed()
    assert [output.output_type for output in ran.code_cells()[0].outputs] == ["execute_result"]


def test_cells_await(start_kernel: Callable[..., Kernel]) -> None:
    kernel = start_kernel()
    outcome = kernel.ok(
        """
use std::time::{Duration, Instant};
let began = Instant::now();
let (a, b) = tokio::join!(
    async { tokio::time::sleep(Duration::from_millis(200)).await; 1 },
    async { tokio::time::sleep(Duration::from_millis(200)).await; 2 },
);
(a + b, began.elapsed() < Duration::from_millis(390))
"""
    )
    assert outcome.text == "(3, true)"
    echo = """
use tokio::io::{AsyncReadExt, AsyncWriteExt};
let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
let address = listener.local_addr()?;
let server = tokio::spawn(async move {
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut text = [0; 4];
    socket.read_exact(&mut text).await.unwrap();
    socket.write_all(&text).await.unwrap();
});
let mut socket = tokio::net::TcpStream::connect(address).await?;
socket.write_all(b"ping").await?;
let mut answer = String::new();
socket.read_to_string(&mut answer).await?;
server.await?;
answer
"""
    assert kernel.value(echo) == '"ping"'
    kernel.ok("let kept = vec![1, 2, 3];")
    assert kernel.value("async fn double(n: i32) -> i32 { n * 2 }\ndouble(kept.len() as i32).await") == "6"
    # Awaiting leaves a process that can be rolled back: an interrupt, a panic and a crash cost no variable.
    request = kernel.send('println!("waits");\ntokio::time::sleep(std::time::Duration::from_secs(600)).await;')
    kernel.until_stdout(request, "waits")
    kernel.interrupt()
    assert kernel.outcome(request).error["ename"] == "Interrupted"
    assert kernel.value("kept.len()") == "3"
    kernel.fails("tokio::time::sleep(std::time::Duration::from_millis(1)).await;\nstd::process::abort()", "CellCrashed")
    assert kernel.value("kept.len()") == "3"
    error = kernel.fails('tokio::fs::read("/no/such/file").await?;', "Error").error_text
    assert "No such file" in error


def test_code_that_brings_its_own_runtime(start_kernel: Callable[..., Kernel]) -> None:
    kernel = start_kernel()
    kernel.ok(':dep tokio = { version = "1", features = ["rt", "time"] }')
    own = "tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async { std::future::ready(5).await })"
    assert kernel.value(own) == "5"
