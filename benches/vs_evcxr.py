"""huntbook beside evcxr_jupyter, on this machine, at the same time: medians (minima) in milliseconds.

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
        if failure:
            sys.exit(f"{self.manager.kernel_name}: {code}\n" + "\n".join(failure["traceback"] or [failure["evalue"]]))
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
        return session

    def time(self, session: Session, what: str, code: str) -> None:
        self.measured[what].append(session.run(code))


def polars_dependency() -> str:
    """`:dep` line with the version and the features of this workspace."""
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())
    polars = manifest["workspace"]["dependencies"]["polars"]
    features = ", ".join(f'"{feature}"' for feature in polars["features"])
    return f':dep polars = {{ version = "{polars["version"]}", default-features = false, features = [{features}] }}'


def first_cells_of_ours(side: Side, session: Session) -> None:
    side.time(session, "query into a frame", f"%kql df << range x from 1 to {ROWS} step 1")
    side.time(session, "first frame cell", 'df.filter(col("x").gt(10)).height()')
    # In a table of the workspace, for `%kql T | count`.
    session.run("%la_write df Bench")


def first_cells_of_theirs(side: Side, session: Session) -> None:
    side.time(session, "`:dep polars`", polars_dependency())
    code = f'use polars::prelude::*;\nlet df = df!("x" => (1..={ROWS}i64).collect::<Vec<_>>()).unwrap();\ndf.height()'
    side.time(session, "first frame cell", code)


def warm_cells(sides: list[tuple[Side, Session]], reps: int) -> None:
    """Interleaved, so that both meet the same load; the first of each is not counted."""
    for i in range(reps + 1):
        for side, session in sides:
            cells = {"warm `1+i`": f"1+{i}", "warm `let v = df.height();`": "let v = df.height();"}
            if side.name == "huntbook":
                cells["warm `%kql T | count`"] = "%kql Bench_CL | count"
            for what, code in cells.items():
                elapsed = session.run(code)
                if i > 0:
                    side.measured[what].append(elapsed)


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
    print("| |" + "|".join(side.name for side in sides) + "| theirs / ours |\n|---|" + "---|" * (len(sides) + 1))
    for what in rows:
        values = [side.measured.get(what, []) for side in sides]
        ratio = ""
        if len(values) == 2 and all(values):
            ratio = f"{statistics.median(values[1]) / statistics.median(values[0]):.1f}x"
        print(f"| {what} |" + "|".join(shown(each) for each in values) + f"| {ratio} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ours-only", action="store_true", help="leave evcxr_jupyter out")
    parser.add_argument("--sessions", type=int, default=3, help="kernels started of each")
    parser.add_argument("--reps", type=int, default=10, help="warm cells per session")
    parser.add_argument("--json", type=Path, help="also write every number there")
    arguments = parser.parse_args()

    scratch = Path(tempfile.mkdtemp(prefix="huntbook-bench-"))
    ours_env = {
        "HUNTBOOK_WORKSPACE": str(scratch / "workspace"),
        "HUNTBOOK_LOG": "warn,huntbook_kernel=debug",
        "NO_COLOR": "1",
    }
    sides = [Side("huntbook", "huntbook", ours_env, scratch / "huntbook.log")]
    if not arguments.ours_only:
        # One folder for all sessions: only the first one builds polars.
        tmpdir = Path(os.environ.get("EVCXR_TMPDIR", scratch / "evcxr"))
        tmpdir.mkdir(parents=True, exist_ok=True)
        sides.append(Side("evcxr_jupyter", "rust", {"EVCXR_TMPDIR": str(tmpdir)}, scratch / "evcxr.log"))
    known = KernelSpecManager().find_kernel_specs()
    for side in sides:
        if side.kernel_name not in known:
            sys.exit(f"the kernel `{side.kernel_name}` ({side.name}) is not installed: see benches/README.md")

    load_before = os.getloadavg()[0]
    for number in range(arguments.sessions):
        running = []
        for side in sides:
            print(f"session {number + 1}/{arguments.sessions}: {side.name}", file=sys.stderr)
            session = side.start()
            (first_cells_of_ours if side.name == "huntbook" else first_cells_of_theirs)(side, session)
            running.append((side, session))
        warm_cells(running, arguments.reps)
        for side, session in running:
            for kind, mib in session.memory().items():
                side.measured[f"memory after these, {kind.upper()} of the tree, MiB"].append(mib)
            session.end()

    print(f"{os.cpu_count()} cores, load {load_before:.1f} before and {os.getloadavg()[0]:.1f} after;", end=" ")
    print(f"{arguments.sessions} sessions, {arguments.reps} warm cells each; milliseconds: median (minimum)\n")
    print_table(sides)
    for side in sides[1:]:
        dependency = side.measured["`:dep polars`"]
        print(f"\n`:dep polars`: {dependency[0] / 1000:.1f} s the first time, then {shown(dependency[1:])} ms")
    ours = phases(sides[0].log)
    print("\nphases of huntbook's Rust cells, ms: " + ", ".join(f"{name} {shown(values)}" for name, values in ours.items()))
    print(f"logs: {scratch}", file=sys.stderr)
    if arguments.json:
        numbers = {side.name: side.measured for side in sides} | {"phases": ours}
        arguments.json.write_text(json.dumps(numbers, indent=1))


if __name__ == "__main__":
    main()
