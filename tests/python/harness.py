"""Drives a real huntbook kernel over ZeroMQ, and `huntbook run`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any

import nbformat
import psutil
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

# Only against hanging: a cold build of what cells need takes minutes on a small machine.
PATIENCE = 600.0
# For answers that need no work.
SOON = 60.0

# Kernels under test leave the user's own history alone: unless a test names a file, they keep none.
os.environ["HUNTBOOK_HISTORY"] = ""

HITS = '%kql hits << datatable(user:string, score:real)["ann", 1.5, "bob", 0.5]'


def huntbook_binary() -> str:
    """The binary under test: `HUNTBOOK` names it, as tests/product.rs does."""
    found = os.environ.get("HUNTBOOK") or shutil.which("huntbook")
    assert found, "set HUNTBOOK to the huntbook binary"
    return found


def plain(text: str) -> str:
    """Text without terminal colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@dataclass
class Outcome:
    """Everything a cell gave."""

    reply: dict[str, Any]
    messages: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def status(self) -> str:
        return self.reply["status"]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [content for name, content in self.messages if name == kind]

    def stream(self, name: str) -> str:
        return "".join(content["text"] for content in self.of("stream") if content["name"] == name)

    @property
    def stdout(self) -> str:
        return self.stream("stdout")

    @property
    def stderr(self) -> str:
        return self.stream("stderr")

    @property
    def text(self) -> str:
        """Plain text of the results and displays, in order."""
        shown = [
            content["data"].get("text/plain", "") for kind, content in self.messages if kind in ("execute_result", "display_data")
        ]
        return "\n".join(shown)

    @property
    def error(self) -> dict[str, Any]:
        """The one `error` broadcast, which says the same as the reply."""
        errors = self.of("error")
        assert len(errors) == 1, f"{len(errors)} error messages: {errors}"
        for key in ("ename", "evalue", "traceback"):
            assert self.reply[key] == errors[0][key], key
        return errors[0]

    @property
    def error_text(self) -> str:
        """Name, value and traceback as a person reads them."""
        error = self.error
        return plain("\n".join([error["ename"], error["evalue"], *error["traceback"]]))

    def in_order(self) -> list[str]:
        """One word per output: `stdout:text`, `text/html:body`, `result:text`, `error:name`."""
        words = []
        for kind, content in self.messages:
            if kind == "stream":
                words.append(f"{content['name']}:{content['text'].strip()}")
            elif kind in ("display_data", "update_display_data"):
                mime = "text/html" if "text/html" in content["data"] else next(iter(content["data"]))
                words.append(f"{mime}:{content['data'][mime]}")
            elif kind == "execute_result":
                words.append(f"result:{content['data']['text/plain']}")
            elif kind == "error":
                words.append(f"error:{content['ename']}")
        return words


class Kernel:
    """A kernel process with a client."""

    def __init__(self, workspace: Path, env: dict[str, str] | None = None, wait: bool = True) -> None:
        self.manager = KernelManager(kernel_name="huntbook")
        environment = {**os.environ, "HUNTBOOK_WORKSPACE": str(workspace), **(env or {})}
        self.manager.start_kernel(env=environment, cwd=str(workspace.parent))
        self.client: BlockingKernelClient = self.manager.client()
        self.client.start_channels()
        self._iopub: dict[str, list[dict[str, Any]]] = {}
        self._replies: dict[str, dict[str, Any]] = {}
        if wait:
            self.client.wait_for_ready(timeout=PATIENCE)

    @property
    def pid(self) -> int:
        return self.manager.provisioner.pid

    def tree(self) -> list[psutil.Process]:
        """The kernel process and everything below it."""
        kernel = psutil.Process(self.pid)
        return [kernel, *kernel.children(recursive=True)]

    def send(self, code: str, **options: Any) -> str:
        return self.client.execute(code, **options)

    def outcome(self, request: str) -> Outcome:
        """Waits for the end of a cell that was sent."""
        while not self._is_idle(request):
            self._take_iopub()
        reply = self._reply(request)
        messages = [(message["msg_type"], message["content"]) for message in self._iopub.get(request, [])]
        return Outcome(reply, messages)

    def run(self, code: str, **options: Any) -> Outcome:
        return self.outcome(self.send(code, **options))

    def ok(self, code: str) -> Outcome:
        outcome = self.run(code)
        assert outcome.status == "ok", f"{code}\n{outcome.reply}"
        assert not outcome.of("error"), outcome.of("error")
        return outcome

    def value(self, code: str) -> str:
        """Plain text of the cell's one result."""
        results = self.ok(code).of("execute_result")
        assert len(results) == 1, f"{code}: {len(results)} results"
        return results[0]["data"]["text/plain"]

    def count(self, query: str) -> int:
        """What `QUERY | count` says."""
        return int(self.value(f"%kql {query} | count").split()[-1])

    def fails(self, code: str, name: str | None = None) -> Outcome:
        outcome = self.run(code)
        assert outcome.status == "error", f"{code}: {outcome.status} {outcome.in_order()}"
        if name is not None:
            assert outcome.error["ename"] == name, outcome.error
        return outcome

    def until_stdout(self, request: str, text: str) -> None:
        """Waits until a running cell has printed this."""
        while text not in Outcome({}, self._contents(request)).stdout:
            assert not self._is_idle(request), f"the cell ended without printing {text}: {self._contents(request)}"
            self._take_iopub()

    def interrupt(self) -> dict[str, Any]:
        """Sends an interrupt request and waits for its answer."""
        return self.control("interrupt_request", {})

    def control(self, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        request = self.client.session.msg(kind, content)
        self.client.control_channel.send(request)
        while True:
            reply = self.client.get_control_msg(timeout=SOON)
            if reply["parent_header"].get("msg_id") == request["header"]["msg_id"]:
                return reply["content"]

    def ask(self, request: str) -> dict[str, Any]:
        """The reply to a request that the client sent on the shell channel."""
        return self._reply(request)

    def tell(self, kind: str, content: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """Sends on the shell channel what has no reply; what is broadcast for it until idle."""
        message = self.client.session.msg(kind, content)
        self.client.shell_channel.send(message)
        request = message["header"]["msg_id"]
        while not self._is_idle(request):
            self._take_iopub()
        return [(kind, content) for kind, content in self._contents(request) if kind != "status"]

    def shut_down(self, now: bool = False) -> None:
        self.client.stop_channels()
        if self.manager.has_kernel:
            self.manager.shutdown_kernel(now=now)

    def restart(self) -> None:
        self.manager.restart_kernel()
        self.client.wait_for_ready(timeout=PATIENCE)

    def _contents(self, request: str) -> list[tuple[str, dict[str, Any]]]:
        return [(message["msg_type"], message["content"]) for message in self._iopub.get(request, [])]

    def _is_idle(self, request: str) -> bool:
        return any(kind == "status" and content["execution_state"] == "idle" for kind, content in self._contents(request))

    def _take_iopub(self) -> None:
        try:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
        except Empty:
            raise AssertionError(f"nothing came for {PATIENCE} s; the kernel is {self.manager.is_alive()=}") from None
        self._iopub.setdefault(message["parent_header"].get("msg_id", ""), []).append(message)

    def _reply(self, request: str) -> dict[str, Any]:
        while request not in self._replies:
            try:
                reply = self.client.get_shell_msg(timeout=SOON)
            except Empty:
                raise AssertionError(f"no reply within {SOON} s") from None
            self._replies[reply["parent_header"]["msg_id"]] = reply["content"]
        return self._replies[request]


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """For states of the system that no message announces."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"not reached within a minute: {what}"
        time.sleep(0.05)


def survivors(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Processes that are still there after a generous wait; zombies are gone as far as we care."""
    _, alive = psutil.wait_procs(processes, timeout=60)
    return [process for process in alive if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


@dataclass
class Run:
    """What one `huntbook run` gave."""

    code: int
    stdout: str
    stderr: str
    output: Path

    def notebook(self) -> nbformat.NotebookNode:
        """The saved notebook, which must be valid nbformat."""
        notebook = nbformat.read(self.output, as_version=nbformat.NO_CONVERT)
        nbformat.validate(notebook)
        return notebook

    def code_cells(self) -> list[nbformat.NotebookNode]:
        return [cell for cell in self.notebook().cells if cell.cell_type == "code"]

    def passed(self) -> Run:
        assert self.code == 0, f"exit {self.code}\n{self.stdout}\n{self.stderr}"
        return self

    def failed(self, *words: str, code: int = 1) -> Run:
        """It ended with this code and said these words on stderr, without any panic of ours."""
        assert self.code == code, f"exit {self.code}\n{self.stdout}\n{self.stderr}"
        for word in words:
            assert word in self.stderr, f"`{word}` is not in: {self.stderr}"
        for internal in ("panicked at", "RUST_BACKTRACE", "unwrap()"):
            assert internal not in self.stderr, self.stderr
        return self


def write_notebook(path: Path, cells: list[str], parameters: int | None = None, minor: int = 5) -> Path:
    """A notebook of code cells; `parameters` is the index of the cell with that tag."""
    code_cells = []
    for index, source in enumerate(cells):
        cell = nbformat.v4.new_code_cell(source)
        if index == parameters:
            cell.metadata["tags"] = ["parameters"]
        code_cells.append(cell)
    kernelspec = {"name": "huntbook", "display_name": "huntbook (Rust + KQL)", "language": "rust"}
    notebook = nbformat.v4.new_notebook(cells=code_cells, metadata={"kernelspec": kernelspec})
    if minor < 5:
        # Cells have ids since 4.5; the constructors always give them some.
        notebook["nbformat_minor"] = minor
        for cell in notebook.cells:
            cell.pop("id", None)
    nbformat.write(notebook, path)
    return path


def start_run(notebook: Path, workspace: Path, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, "HUNTBOOK_WORKSPACE": str(workspace)}
    command = [huntbook_binary(), "run", str(notebook), *arguments]
    return subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        **options,
    )


def run(notebook: Path, workspace: Path, *arguments: str, **options: Any) -> Run:
    """Runs a notebook headless; the output goes beside it."""
    output = notebook.with_suffix(".out.ipynb")
    if "-o" in arguments:
        output = Path(arguments[arguments.index("-o") + 1])
    process = start_run(notebook, workspace, *arguments, **options)
    stdout, stderr = process.communicate(timeout=PATIENCE)
    return Run(process.returncode, stdout, stderr, output)


def run_cells(folder: Path, workspace: Path, cells: list[str], **options: Any) -> Run:
    """Runs these cells as a notebook of their own."""
    number = len(list(folder.glob("cells-*.ipynb")))
    return run(write_notebook(folder / f"cells-{number}.ipynb", cells), workspace, **options)
