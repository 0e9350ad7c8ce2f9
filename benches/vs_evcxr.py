"""huntbook beside evcxr_jupyter and ipykernel, on this machine, in turns: medians (minima) in milliseconds.

README.md beside this file says how to install evcxr_jupyter and how to read the table.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import sys
import tempfile
import time
import tomllib
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 3600.0
UNITS = {"ns": 1e-6, "µs": 1e-3, "ms": 1.0, "s": 1e3}
ROWS = 1000


class CellFailed(Exception):
    """A cell that the benchmark needs ended with an error."""


class Session:
    """One kernel with its client."""

    def __init__(self, kernel_name: str, env: dict[str, str], log: Path) -> None:
        self.manager = KernelManager(kernel_name=kernel_name)
        with log.open("ab") as stderr:
            began = time.perf_counter()
            self.manager.start_kernel(env={**os.environ, **env}, stderr=stderr)
            self.client = self.manager.client()
            self.client.start_channels()
            # Sent before the kernel listens: ZeroMQ delivers it as soon as the shell socket is open.
            self._await_reply(self.client.kernel_info())
            self.start_ms = 1000 * (time.perf_counter() - began)
            # As a notebook's first cell that waits for the kernel.
            self._await_reply(self.client.execute("1+1"))
            self.first_cell_ms = 1000 * (time.perf_counter() - began)
        self.client.wait_for_ready(timeout=PATIENCE)

    def run(self, code: str) -> float:
        """Milliseconds from sending a cell to its idle; a cell that fails ends the benchmark."""
        began = time.perf_counter()
        request = self.client.execute(code)
        failure = None
        while True:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") != request:
                continue
            content = message["content"]
            if message["msg_type"] == "error":
                failure = content
            if message["msg_type"] == "status" and content["execution_state"] == "idle":
                break
        elapsed = 1000 * (time.perf_counter() - began)
        self._await_reply(request)
        if failure:
            lines = failure["traceback"] or [failure["evalue"]]
            raise CellFailed(f"{self.manager.kernel_name}: {code}\n" + "\n".join(lines))
        return elapsed

    def interrupted(self, loop: str) -> float:
        """Milliseconds from interrupting a loop that prints `spinning` to its idle."""
        request = self.client.execute(loop)
        while True:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            if message["msg_type"] == "stream" and "spinning" in message["content"]["text"]:
                break
        began = time.perf_counter()
        self.manager.interrupt_kernel()
        while True:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") != request or message["msg_type"] != "status":
                continue
            if message["content"]["execution_state"] == "idle":
                break
        elapsed = 1000 * (time.perf_counter() - began)
        self._await_reply(request)
        return elapsed

    def memory(self) -> dict[str, float]:
        """MiB of the kernel and everything below it. RSS counts shared pages once per process, USS not at all."""
        kernel = psutil.Process(self.manager.provisioner.pid)
        tree = [process.memory_full_info() for process in [kernel, *kernel.children(recursive=True)]]
        return {kind: sum(getattr(info, kind) for info in tree) / 2**20 for kind in ("rss", "uss")}

    def end(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel()

    def _await_reply(self, request: str) -> None:
        while self.client.get_shell_msg(timeout=PATIENCE)["parent_header"].get("msg_id") != request:
            pass


@dataclass
class Side:
    """One of the two kernels and what was measured of it."""

    name: str
    kernel_name: str
    env: dict[str, str]
    log: Path
    measured: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def start(self) -> Session:
        session = Session(self.kernel_name, self.env, self.log)
        self.measured["kernel start to kernel_info"].append(session.start_ms)
        self.measured["kernel start to the end of a first `1+1`"].append(session.first_cell_ms)
        return session

    def time(self, session: Session, what: str, code: str) -> None:
        self.measured[what].append(session.run(code))


def polars_dependency() -> str:
    """`:dep` line with the version and the features of this workspace."""
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())
    polars = manifest["workspace"]["dependencies"]["polars"]
    features = ", ".join(f'"{feature}"' for feature in polars["features"])
    return f':dep polars = {{ version = "{polars["version"]}", default-features = false, features = [{features}] }}'


@dataclass
class Contender:
    """A kernel to measure, and how it says what is measured."""

    name: str
    kernel_name: str
    # After the first cell, before the warm ones; not in the table but for what `timed_setup` names.
    setup: list[str]
    # Warm cells: `{i}` is the repetition, so that no two cells are the same text.
    cells: dict[str, str]
    # A variable of 240 MB, a loop without end, what shows that the variable is there and is kept.
    interrupt: tuple[str, str, str] | None = None


OURS = Contender(
    "huntbook",
    "huntbook",
    [f"%kql df << range x from 1 to {ROWS} step 1 | extend k = x % 7", "%la_write df Bench"],
    {
        "warm `1+i`": "1+{i}",
        "warm `let`": "let v = {i};",
        "frame cell": 'df.filter(col("x").gt({i})).group_by(["k"]).agg([col("x").sum()])',
        "`%kql print`": "%kql print {i}",
        "`%kql T \\| count`": "%kql Bench_CL | count",
    },
    ("let kept = vec![1u8; 240_000_000];", 'println!("spinning");\nloop {}', "kept.len()"),
)
EVCXR = Contender(
    "evcxr_jupyter",
    "rust",
    [],
    {"warm `1+i`": "1+{i}", "warm `let`": "let v = {i};"},
    ("let kept = vec![1u8; 240_000_000];", 'println!("spinning");\nloop {}', "kept.len()"),
)
EVCXR_POLARS = Contender(
    "evcxr_jupyter with polars",
    "rust",
    [
        polars_dependency(),
        f'use polars::prelude::*;\nlet df = df!("x" => (1..={ROWS}i64).collect::<Vec<_>>(), "k" => (1..={ROWS}i64).map(|x| x % 7).collect::<Vec<_>>()).unwrap();',
    ],
    {
        "warm `1+i`": "1+{i}",
        "warm `let`": "let v = {i};",
        "frame cell": 'df.clone().lazy().filter(col("x").gt(lit({i}))).group_by([col("k")]).agg([col("x").sum()]).collect().unwrap()',
    },
)
IPYKERNEL = Contender(
    "ipykernel",
    "python3",
    [],
    {"warm `1+i`": "1+{i}", "warm `let`": "v = {i}"},
    ("kept = b'1' * 240_000_000", "print('spinning')\nwhile True: pass", "len(kept)"),
)


def warm_cells(running: list[tuple[Contender, Side, Session]], reps: int) -> None:
    """Interleaved, so that all meet the same load; the first of each is not counted."""
    for i in range(reps + 1):
        for contender, side, session in running:
            for what, code in contender.cells.items():
                elapsed = session.run(code.replace("{i}", str(i)))
                if i > 0:
                    side.measured[what].append(elapsed)


def interrupt(contender: Contender, side: Side, session: Session) -> None:
    """Milliseconds from the interrupt of a spinning loop to idle, and whether the variable outlived it."""
    if contender.interrupt is None:
        return
    variable, loop, proof = contender.interrupt
    session.run(variable)
    side.measured["interrupt of a loop, 240 MB kept"].append(session.interrupted(loop))
    try:
        session.run(proof)
    except CellFailed:
        side.measured["variables lost at the interrupt"].append(1)


def phases(log: Path) -> dict[str, list[float]]:
    """Milliseconds per phase of every Rust cell, from huntbook's log."""
    found: dict[str, list[float]] = defaultdict(list)
    for line in log.read_text(errors="replace").splitlines():
        if "cell phases:" in line:
            for name, number, unit in re.findall(r'\("([^"]+)", ([\d.]+)(ns|µs|ms|s)\)', line):
                found[name].append(float(number) * UNITS[unit])
    return found


def shown(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} ({min(values):.1f})" if values else "-"


def print_table(sides: list[Side]) -> None:
    rows = list(dict.fromkeys(what for side in sides for what in side.measured))
    print("| |" + "|".join(side.name for side in sides) + "| huntbook / others |\n|---|" + "---|" * (len(sides) + 1))
    for what in rows:
        values = [side.measured.get(what, []) for side in sides]
        ours = values[0]
        ratios = [f"{statistics.median(ours) / statistics.median(each):.2f}x" if ours and each else "-" for each in values[1:]]
        print(f"| {what} |" + "|".join(shown(each) for each in values) + f"| {' '.join(ratios)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ours-only", action="store_true", help="leave the others out")
    parser.add_argument("--polars", action="store_true", help="also evcxr_jupyter with `:dep polars`: builds for half an hour")
    parser.add_argument("--sessions", type=int, default=3, help="kernels started of each")
    parser.add_argument("--reps", type=int, default=10, help="warm cells of each kind per session")
    parser.add_argument("--json", type=Path, help="also write every number there")
    arguments = parser.parse_args()

    scratch = Path(tempfile.mkdtemp(prefix="huntbook-bench-"))
    environment = {
        "HUNTBOOK_WORKSPACE": str(scratch / "workspace"),
        "HUNTBOOK_HISTORY": "",
        "HUNTBOOK_LOG": "warn,huntbook_kernel=debug",
        "NO_COLOR": "1",
    }
    contenders = [OURS]
    if not arguments.ours_only:
        contenders += [EVCXR, *([EVCXR_POLARS] if arguments.polars else []), IPYKERNEL]
    known = KernelSpecManager().find_kernel_specs()
    sides = []
    for contender in contenders:
        if contender.kernel_name not in known:
            sys.exit(f"the kernel `{contender.kernel_name}` ({contender.name}) is not installed: see benches/README.md")
        # One folder for all sessions of a contender: only the first one builds its dependencies.
        tmpdir = Path(os.environ.get("EVCXR_TMPDIR", scratch)) / contender.name.replace(" ", "-")
        tmpdir.mkdir(parents=True, exist_ok=True)
        env = environment | ({} if contender is OURS else {"EVCXR_TMPDIR": str(tmpdir)})
        sides.append(Side(contender.name, contender.kernel_name, env, scratch / f"{tmpdir.name}.log"))

    load_before = os.getloadavg()[0]
    for number in range(arguments.sessions):
        running = []
        for contender, side in zip(contenders, sides):
            print(f"session {number + 1}/{arguments.sessions}: {side.name}", file=sys.stderr)
            session = side.start()
            for code in contender.setup:
                side.time(session, "`:dep polars`", code) if code.startswith(":dep") else session.run(code)
            running.append((contender, side, session))
        warm_cells(running, arguments.reps)
        for _, side, session in running:
            for kind, mib in session.memory().items():
                side.measured[f"memory after these, {kind.upper()} of the tree, MiB"].append(mib)
        for contender, side, session in running:
            interrupt(contender, side, session)
            session.end()

    print(f"{os.cpu_count()} cores, load {load_before:.1f} before and {os.getloadavg()[0]:.1f} after;", end=" ")
    print(f"{arguments.sessions} sessions, {arguments.reps} warm cells each; milliseconds: median (minimum)\n")
    print_table(sides)
    ours = phases(sides[0].log)
    print("\nphases of huntbook's Rust cells, ms: " + ", ".join(f"{name} {shown(values)}" for name, values in ours.items()))
    print(f"logs: {scratch}", file=sys.stderr)
    if arguments.json:
        numbers = {side.name: side.measured for side in sides} | {"phases": ours}
        arguments.json.write_text(json.dumps(numbers, indent=1))


if __name__ == "__main__":
    main()
