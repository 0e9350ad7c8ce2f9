"""A Log Analytics answer of 500,000 rows and 20 columns: our decoder into typed columns beside azure-monitor-query into
pandas, in turns, on the same bytes.

    python3 -m venv /tmp/decode && /tmp/decode/bin/pip install azure-monitor-query pandas
    cargo build --locked -p huntbook-azure --example decode
    /tmp/decode/bin/python benches/decode/run.py target/debug/examples/decode

What is timed: from the body in memory to columns. On the other side that is json.loads, the client's own conversion
of the answer (LogsQueryResult: datetimes are parsed) and pandas.DataFrame, as its documentation shows it; no
network on either side. Both must find the same rows, sum of longs and number of letters.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import uuid

import pandas
from azure.monitor.query import LogsQueryClient, LogsQueryStatus

COLUMNS = [
    ("TimeGenerated", "datetime"), ("Computer", "string"), ("EventID", "int"), ("Account", "string"),
    ("AccountType", "string"), ("Activity", "string"), ("IpAddress", "string"), ("LogonType", "int"),
    ("ProcessId", "long"), ("BytesSent", "long"), ("Score", "real"), ("Success", "bool"),
    ("SubjectLogonId", "string"), ("TargetUserSid", "string"), ("ShareName", "string"), ("EventData", "dynamic"),
    ("SourceComputerId", "guid"), ("Duration", "timespan"), ("_ResourceId", "string"), ("Type", "string"),
]


def make_answer(rows, seed=1):
    draw = random.Random(seed)
    accounts = [f"CONTOSO\\user{n:04}" for n in range(3000)]
    computers = [(f"host-{n:03}.contoso.com", str(uuid.UUID(int=draw.getrandbits(128)))) for n in range(400)]
    made = []
    for n in range(rows):
        computer, computer_id = draw.choice(computers)
        second = n % 86400
        made.append([
            f"2026-11-{1 + n % 28:02}T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.{draw.randrange(10**7):07}Z",
            computer, draw.choice([4624, 4625, 5140]), draw.choice(accounts), "User",
            "4624 - An account was successfully logged on.", f"10.{n % 250}.{draw.randrange(250)}.7", draw.choice([2, 3, 10]),
            draw.randrange(1 << 32), None if n % 17 == 0 else draw.getrandbits(60), draw.random(), n % 9 != 0,
            hex(draw.getrandbits(32)), f"S-1-5-21-{draw.getrandbits(30)}", "\\\\*\\IPC$",
            json.dumps({"Status": "0x0", "Tries": draw.randrange(9), "Tags": ["a", "b"]}), computer_id,
            f"00:00:0{n % 10}.{draw.randrange(10**7):07}",
            "/subscriptions/s/resourcegroups/rg/providers/microsoft.compute/virtualmachines/" + computer, "SecurityEvent",
        ])
    columns = [{"name": name, "type": kind} for name, kind in COLUMNS]
    return json.dumps({"tables": [{"name": "PrimaryResult", "columns": columns, "rows": made}]}, separators=(",", ":")).encode()


class Answered:
    """A transport that answers every request with one body: the client's own code does the rest."""

    def __init__(self, body):
        from azure.core.pipeline.transport import HttpTransport, HttpResponse

        class Response(HttpResponse):
            def __init__(self, request):
                super().__init__(request, None)
                self.status_code, self.reason, self.headers, self.content_type = 200, "OK", {"Content-Type": "application/json"}, "application/json"

            def body(self):
                return body

            def read(self):
                return body

            def json(self):
                return json.loads(body)

            def iter_bytes(self, **_):
                yield body

            @property
            def content(self):
                return body

            def text(self, encoding=None):
                return body.decode(encoding or "utf-8")

        class Transport(HttpTransport):
            def send(self, request, **_):
                return Response(request)

            def open(self):
                pass

            def close(self):
                pass

            def __exit__(self, *_):
                pass

        self.transport = Transport()


class Credential:
    def get_token(self, *_, **__):
        from azure.core.credentials import AccessToken

        return AccessToken("t", int(time.time()) + 3600)


def theirs(client):
    start = time.perf_counter()
    answer = client.query_workspace(str(uuid.UUID(int=1)), "T", timespan=None)
    assert answer.status == LogsQueryStatus.SUCCESS
    table = answer.tables[0]
    frame = pandas.DataFrame(data=table.rows, columns=table.columns)
    took = time.perf_counter() - start
    # From the client's rows: pandas makes longs with nulls into floats, which are no longer exact.
    longs = sum(row[index] or 0 for index, (_, kind) in enumerate(COLUMNS) if kind == "long" for row in table.rows)
    letters = sum(len(value) for name, kind in COLUMNS if kind == "string" for value in frame[name] if value)
    return took, {"rows": len(frame), "columns": len(frame.columns), "longs": str(longs), "letters": letters}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("decode", help="the built example `decode` of huntbook-azure")
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    body = make_answer(options.rows)
    client = LogsQueryClient(Credential(), transport=Answered(body).transport)
    ours_took, theirs_took = [], []
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(body)
        file.flush()
        print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, {len(body) / 1e6:.0f} MB, {options.rows} rows x {len(COLUMNS)}")
        for number in range(options.rounds):
            # Twice, and the second counts: the first one also starts threads and asks for memory.
            ours = json.loads(subprocess.run([options.decode, file.name, "2"], check=True, capture_output=True).stdout)
            took, found = theirs(client)
            if {key: ours["found"][key] for key in ("rows", "columns", "longs", "letters")} != found:
                sys.exit(f"the sides differ: {ours['found']} and {found}")
            ours_took.append(ours["seconds"][-1])
            theirs_took.append(took)
            print(f"round {number + 1}: huntbook {ours_took[-1]:.3f} s (first {ours['seconds'][0]:.3f}), azure-monitor-query + pandas {took:.2f} s: {took / ours_took[-1]:.1f}x")
    ours_mid, theirs_mid = statistics.median(ours_took), statistics.median(theirs_took)
    print(f"median: huntbook {ours_mid:.3f} s ({len(body) / 1e6 / ours_mid:.0f} MB/s), azure-monitor-query + pandas {theirs_mid:.2f} s, ratio {theirs_mid / ours_mid:.1f}")


if __name__ == "__main__":
    main()
