"""Load on `huntbook serve`: readers and writers at once, kills in the middle of writing, and duckdb-kql beside it.

    python benches/serve/load.py load --seconds 60 --readers 64 --writers 16
    python benches/serve/load.py kill --rounds 50
    python benches/serve/load.py peer --seconds 20 --readers 8

`HUNTBOOK` names the binary. Every reader and writer is a thread with a connection of its own. `peer` needs
`pip install duckdb-kql`. Prints one line of JSON per measurement.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROWS = 100_000
QUERY = "Base_CL | where user == 'u7' | summarize n = count(), s = sum(value) by host"
PEER_QUERY = "Base | where user == 'u7' | summarize n = count(), s = sum(value) by host"


class Server:
    """`huntbook serve` on a folder."""

    def __init__(self, data: Path) -> None:
        binary = os.environ.get("HUNTBOOK") or shutil.which("huntbook") or sys.exit("set HUNTBOOK to the huntbook binary")
        command = [binary, "serve", "--data", str(data), "--auto-create"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.started = json.loads(self.process.stdout.readline())
        self.token = Path(self.started["token_file"]).read_text()
        self.address = self.started["url"].split("//")[1]

    def client(self) -> Client:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        return Client(self.address, headers, self.started)

    def end(self, how: signal.Signals = signal.SIGINT) -> None:
        self.process.send_signal(how)
        self.process.wait()


class Client:
    """One connection that stays open."""

    def __init__(self, address: str, headers: dict[str, str], started: dict[str, str]) -> None:
        self.connection = http.client.HTTPConnection(address, timeout=300)
        self.headers, self.started = headers, started

    def post(self, path: str, body: object) -> tuple[int, bytes]:
        self.connection.request("POST", path, json.dumps(body), self.headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def query(self, text: str) -> list[list[object]]:
        status, body = self.post(f"/v1/workspaces/{self.started['workspace']}/query", {"query": text})
        assert status == 200, body
        return json.loads(body)["tables"][0]["rows"]

    def ingest(self, stream: str, rows: list[dict[str, object]]) -> int:
        return self.post(f"/dataCollectionRules/{self.started['dcr']}/streams/{stream}?api-version=2023-01-01", rows)[0]


def base_rows() -> list[dict[str, object]]:
    chance = random.Random(1)
    return [{"user": f"u{chance.randrange(1000)}", "host": f"h{chance.randrange(50)}", "value": n} for n in range(ROWS)]


def percentile(times: list[float], share: float) -> float:
    ordered = sorted(times)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 1) if ordered else float("nan")


def report(name: str, times: list[float], seconds: float, **more: object) -> None:
    line = {"what": name, "requests": len(times), "per_second": round(len(times) / seconds, 1), "p50_ms": percentile(times, 0.5), "p99_ms": percentile(times, 0.99)}
    print(json.dumps({**line, **more}), flush=True)


def run_for(seconds: float, works: list[object]) -> list[str]:
    """Runs each of the functions over and over in a thread of its own; what went wrong."""
    end = time.monotonic() + seconds
    problems: list[str] = []

    def loop(work: object) -> None:
        try:
            while time.monotonic() < end:
                work()
        except Exception as problem:
            problems.append(repr(problem))

    threads = [threading.Thread(target=loop, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return problems


def load(seconds: float, readers: int, writers: int, rows_per_write: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        rows = base_rows()
        for start in range(0, len(rows), 10_000):
            assert server.client().ingest("Custom-Base", rows[start : start + 10_000]) == 204
        reads: list[float] = []
        writes: list[float] = []
        written: set[int] = set()
        refused: list[int] = []

        def reader() -> object:
            client = server.client()

            def read() -> None:
                began = time.perf_counter()
                assert client.query(QUERY)
                reads.append(time.perf_counter() - began)

            return read

        def writer(number: int) -> object:
            client, count = server.client(), 0

            def write() -> None:
                nonlocal count
                ids = [number * 100_000_000 + count + at for at in range(rows_per_write)]
                count += rows_per_write
                began = time.perf_counter()
                status = client.ingest("Custom-Written", [{"id_": n, "text": f"row {n}", "value": n * 0.5} for n in ids])
                writes.append(time.perf_counter() - began)
                if status == 204:
                    written.update(ids)
                else:
                    refused.append(status)

            return write

        problems = run_for(seconds, [reader() for _ in range(readers)] + [writer(number) for number in range(writers)])
        report("queries", reads, seconds, readers=readers, problems=problems)
        stored = {row[0] for row in all_ids(server, writers)}
        count = server.client().query("Written_CL | count")[0][0]
        report(
            "writes", writes, seconds, writers=writers, rows_per_second=round(len(written) / seconds), refused=len(refused),
            acknowledged=len(written), lost=len(written - stored), unknown=len(stored - written), twice=count - len(stored),
        )  # fmt: skip
        server.end()


def all_ids(server: Server, writers: int) -> list[list[int]]:
    """In pieces, below the limit of a result."""
    client = server.client()
    rows: list[list[int]] = []
    for number in range(writers):
        low = number * 100_000_000
        rows += client.query(f"Written_CL | where id_ between ({low} .. {low + 99_999_999}) | project id_")
    return rows


def kill(rounds: int, writers: int) -> None:
    """Kills the server while it writes; every row it has acknowledged must be there in the end, once."""
    with tempfile.TemporaryDirectory() as folder:
        acknowledged: set[int] = set()
        sent: set[int] = set()
        for round_number in range(rounds):
            server = Server(Path(folder))

            def write(writer: int, server: Server = server, round_number: int = round_number) -> None:
                client = server.client()
                number = (round_number * writers + writer) * 1_000_000
                try:
                    while True:
                        number += 1
                        sent.add(number)
                        if client.ingest("Custom-Written", [{"id_": number}]) == 204:
                            acknowledged.add(number)
                except (OSError, http.client.HTTPException):
                    return

            threads = [threading.Thread(target=write, args=(writer,)) for writer in range(writers)]
            for thread in threads:
                thread.start()
            time.sleep(random.uniform(0.1, 1.0))
            server.end(signal.SIGKILL)
            for thread in threads:
                thread.join()
        server = Server(Path(folder))
        stored = [row[0] for row in server.client().query("Written_CL | project id_")]
        server.end()
        line = {"what": "kills", "rounds": rounds, "acknowledged": len(acknowledged), "stored": len(stored)}
        line |= {"lost": len(acknowledged - set(stored)), "twice": len(stored) - len(set(stored)), "never_sent": len(set(stored) - sent)}
        print(json.dumps(line), flush=True)


def peer(seconds: float, readers: int, port: int = 31415) -> None:
    """The same query and rows, by `duckdb-kql serve` and by us over Kusto's v2."""
    with tempfile.TemporaryDirectory() as folder:
        rows = base_rows()
        table = Path(folder) / "base.csv"
        table.write_text("user,host,value\n" + "".join(f"{row['user']},{row['host']},{row['value']}\n" for row in rows))
        script = Path(folder) / "init.sql"
        script.write_text(f"CREATE TABLE Base AS SELECT * FROM read_csv('{table}');")
        command = [str(Path(sys.executable).parent / "duckdb-kql"), "serve", "-p", str(port), "--init", str(script)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        headers = {"Content-Type": "application/json"}
        try:
            for _ in range(200):
                try:
                    Client(f"127.0.0.1:{port}", headers, {}).post("/v2/rest/query", {"db": "memory", "csl": "print 1"})
                    break
                except OSError:
                    time.sleep(0.1)
            measure_kusto("duckdb-kql", seconds, [Client(f"127.0.0.1:{port}", headers, {}) for _ in range(readers)], "memory", PEER_QUERY)
        finally:
            process.terminate()
            process.wait()
        server = Server(Path(folder) / "data")
        for start in range(0, len(rows), 10_000):
            assert server.client().ingest("Custom-Base", rows[start : start + 10_000]) == 204
        measure_kusto("huntbook", seconds, [server.client() for _ in range(readers)], "hunt", QUERY)
        server.end()


def measure_kusto(name: str, seconds: float, clients: list[Client], db: str, query: str) -> None:
    times: list[float] = []

    def work(client: Client) -> object:
        def read() -> None:
            began = time.perf_counter()
            status, body = client.post("/v2/rest/query", {"db": db, "csl": query, "properties": "{}"})
            assert status == 200, body
            times.append(time.perf_counter() - began)

        return read

    problems = run_for(seconds, [work(client) for client in clients])
    report(f"kusto v2 {name}", times, seconds, readers=len(clients), problems=problems)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["load", "kill", "peer"])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--readers", type=int, default=64)
    parser.add_argument("--writers", type=int, default=16)
    parser.add_argument("--rows", type=int, default=10, help="rows per write")
    parser.add_argument("--rounds", type=int, default=50)
    asked = parser.parse_args()
    if asked.what == "load":
        load(asked.seconds, asked.readers, asked.writers, asked.rows)
    elif asked.what == "kill":
        kill(asked.rounds, min(asked.writers, 4))
    else:
        peer(asked.seconds, asked.readers)
