"""Exported JSON lines to a frame: huntbook, polars and pandas, in turns on this machine.

    python3 -m venv /tmp/bench && /tmp/bench/bin/pip install polars pandas jupyter_client psutil
    cargo build --workspace --locked && target/debug/huntbook kernel install --prefix /tmp/bench
    /tmp/bench/bin/python benches/blob/run.py --gigabytes 2

Reads 5 of 30 columns of the rows with EventID 4624. All must find the same number of rows. `cat` to /dev/null is what the
disk (or its cache) gives. huntbook is timed by its own report, which has everything from the listing to the frame; the
others from the call to the frame. Each library runs in a process of its own; peaks are of that process (for huntbook, of the
kernel).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import generate

COLUMNS = ["TimeGenerated", "EventID", "Account", "Computer", "IpAddress"]
EVENT = 4624


def read_pandas(path: str) -> int:
    import pandas

    frame = pandas.read_json(path, lines=True)
    return len(frame.loc[frame["EventID"] == EVENT, COLUMNS])


def read_polars(path: str) -> int:
    import polars

    scan = polars.scan_ndjson(path, infer_schema_length=1000)
    return scan.filter(polars.col("EventID") == EVENT).select(COLUMNS).collect().height


def worker(library: str, path: str) -> None:
    began = time.perf_counter()
    rows = {"pandas": read_pandas, "polars": read_polars}[library](path)
    took = time.perf_counter() - began
    print(json.dumps({"rows": rows, "seconds": took, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))


def other(library: str, path: Path) -> dict[str, float]:
    done = subprocess.run([sys.executable, __file__, "--worker", library, str(path)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


class Huntbook:
    def __init__(self, folder: Path) -> None:
        from jupyter_client.manager import KernelManager

        self.manager = KernelManager(kernel_name="huntbook")
        environment = {**os.environ, "HUNTBOOK_WORKSPACE": str(folder / "workspace"), "HUNTBOOK_HISTORY": ""}
        self.manager.start_kernel(env=environment, cwd=str(folder))
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=600)

    def run(self, code: str) -> str:
        shown: list[str] = []

        def take(message: dict) -> None:
            data = message["content"].get("data", {})
            if data.get("text/plain"):
                shown.append(data["text/plain"])

        reply = self.client.execute_interactive(code, output_hook=take, timeout=3600)
        assert reply["content"]["status"] == "ok", reply["content"]
        return "\n".join(shown)

    def peak(self) -> int:
        """In kB"""
        status = Path(f"/proc/{self.manager.provisioner.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0])

    def read(self, path: Path) -> dict[str, float]:
        began = time.perf_counter()
        text = self.run(f"%blob found << read {path} --columns {','.join(COLUMNS)} --where 'EventID == {EVENT}'")
        took = time.perf_counter() - began
        rows = int(next(line for line in text.splitlines() if line.startswith("found << ")).split()[2].replace(",", ""))
        return {"rows": rows, "seconds": took, "peak": self.peak()}

    def stop(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/blob-bench"))
    parser.add_argument("--without", nargs="*", default=[], help="libraries to leave out: pandas takes minutes and many GB")
    parser.add_argument("--worker", nargs=2)
    arguments = parser.parse_args()
    if arguments.worker:
        return worker(*arguments.worker)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    size = int(arguments.gigabytes * 1e9)
    path = arguments.folder / f"events-{arguments.gigabytes:g}.jsonl"
    if not path.exists():
        print(f"{generate.write(path, size):,} rows generated")
    size = path.stat().st_size
    huntbook = Huntbook(arguments.folder)
    libraries = [library for library in ("huntbook", "polars", "pandas") if library not in arguments.without]
    results: dict[str, list[dict[str, float]]] = {library: [] for library in libraries}
    cats = []
    try:
        for _ in range(arguments.rounds):
            began = time.perf_counter()
            subprocess.run(f"cat {path} > /dev/null", shell=True, check=True)
            cats.append(time.perf_counter() - began)
            for library in libraries:
                results[library].append(huntbook.read(path) if library == "huntbook" else other(library, path))
    finally:
        huntbook.stop()
    counts = {library: {result["rows"] for result in runs} for library, runs in results.items()}
    assert len(set().union(*counts.values())) == 1, counts
    ours = statistics.median(result["seconds"] for result in results["huntbook"])
    print(f"{size / 1e9:.2f} GB, {counts['huntbook'].pop():,} rows found, load {os.getloadavg()[0]:.1f}")
    print("| | seconds (least to most) | GB/s | x huntbook | peak MiB |\n|---|---|---|---|---|")
    print(f"| cat | {statistics.median(cats):.2f} | {size / 1e9 / statistics.median(cats):.2f} | | |")
    for library, runs in results.items():
        seconds = [result["seconds"] for result in runs]
        middle = statistics.median(seconds)
        peak = max(result["peak"] for result in runs) / 1024
        print(f"| {library} | {middle:.2f} ({min(seconds):.2f} to {max(seconds):.2f}) | {size / 1e9 / middle:.2f} | {middle / ours:.1f} | {peak:.0f} |")


if __name__ == "__main__":
    main()
