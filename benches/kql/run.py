"""KQL beside hand-written DuckDB SQL and Python polars, in turns on 2 threads, over one Parquet file.

    python3 -m venv /tmp/kql && /tmp/kql/bin/pip install duckdb polars pyarrow numpy
    cargo build --workspace --locked --example kql_bench
    /tmp/kql/bin/python benches/kql/run.py target/debug/examples/kql_bench

The file (10 M rows of SecurityEvent, 200 MB) is generated once. Every peer runs in a process of its own and gives its rows
as Arrow or polars columns. Before anything is timed, all three must give the same rows. Then they take turns, and the
medians are printed with their ratios, and the peak of resident memory while the query ran.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from queries import QUERIES

HERE = Path(__file__).parent
# The purge delay is the one that `huntbook` sets when it starts.
ENVIRONMENT = {**os.environ, "MIMALLOC_PURGE_DELAY": "10000", "POLARS_MAX_THREADS": "2", "RAYON_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}


class Peer:
    def __init__(self, name, command):
        self.name = name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)

    def ask(self, query, digest=False):
        """Seconds, the peak of resident memory in MiB, and the answer."""
        self.forget_peak()
        request = {"query": query, "digest": digest, "kql": QUERIES[query]["kql"]}
        start = time.perf_counter()
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        seconds = time.perf_counter() - start
        if not line:
            sys.exit(f"{self.name} died on the query `{QUERIES[query]['name']}`")
        answer = json.loads(line)
        if "error" in answer:
            sys.exit(f"{self.name}: {QUERIES[query]['name']}: {answer['error']}")
        return seconds, self.peak(), answer

    def forget_peak(self):
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def peak(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def agree(peers, query):
    answers = {peer.name: peer.ask(query, digest=True)[2] for peer in peers}
    if len({answer["digest"] for answer in answers.values()}) > 1:
        sys.exit(f"the peers disagree on `{QUERIES[query]['name']}`: {answers}")
    return answers[peers[0].name]["rows"]


def measure(peers, query, rounds):
    times, peaks = {peer.name: [] for peer in peers}, {peer.name: 0 for peer in peers}
    for turn in range(rounds):
        for peer in peers[turn % len(peers):] + peers[: turn % len(peers)]:
            seconds, peak, _ = peer.ask(query)
            times[peer.name].append(seconds)
            peaks[peer.name] = max(peaks[peer.name], peak)
    return {name: statistics.median(all_times) for name, all_times in times.items()}, peaks


def geometric_mean(values):
    return math.exp(statistics.fmean(map(math.log, values)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("huntbook", help="the example kql_bench")
    parser.add_argument("--data", default="/tmp/huntbook-bench/SecurityEvent.parquet")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", help="queries whose name holds this")
    arguments = parser.parse_args()
    data = Path(arguments.data)
    if not data.exists():
        data.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, HERE / "generate.py", data, str(arguments.rows)], check=True)
    worker = [sys.executable, str(HERE / "worker.py")]
    peers = [
        Peer("huntbook", [arguments.huntbook, str(data)]),
        Peer("polars", [*worker, "polars", str(data)]),
        Peer("duckdb", [*worker, "duckdb", str(data)]),
    ]
    print(f"{'query':22}{'rows':>9}{'huntbook':>11}{'polars':>9}{'duckdb':>9}{'/polars':>9}{'/duckdb':>9}{'/faster':>9}"
          f"   peak MiB: huntbook, polars, duckdb")
    ratios = []
    for query, case in enumerate(QUERIES):
        if arguments.only and arguments.only not in case["name"]:
            continue
        rows = agree(peers, query)
        times, peaks = measure(peers, query, arguments.rounds)
        ours, polars, duckdb = (times[peer.name] for peer in peers)
        ratios.append((ours / polars, ours / duckdb, ours / min(polars, duckdb)))
        print(f"{case['name']:22}{rows:>9}{ours:>10.3f}s{polars:>8.3f}s{duckdb:>8.3f}s"
              + "".join(f"{ratio:>9.2f}" for ratio in ratios[-1])
              + "   " + ", ".join(f"{peaks[peer.name]:.0f}" for peer in peers), flush=True)
    to_polars, to_duckdb, to_faster = zip(*ratios)
    print(f"geometric mean: {geometric_mean(to_polars):.2f}x polars, {geometric_mean(to_duckdb):.2f}x duckdb;"
          f" the slowest beside the faster of the two: {max(to_faster):.2f}x")
    for peer in peers:
        peer.close()


if __name__ == "__main__":
    main()
