"""A peer in a process of its own: reads {"query": N} lines and answers with the number of rows, once with their digest.

    python worker.py duckdb|polars PARQUET
"""

import hashlib
import json
import sys
from datetime import datetime, timezone

from queries import QUERIES

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def duckdb_peer(path):
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET threads = 2")
    connection.execute(f"CREATE VIEW SecurityEvent AS SELECT * FROM read_parquet('{path}')")
    return lambda query: connection.sql(query["sql"]).to_arrow_table()


def polars_peer(path):
    import polars as pl

    return lambda query: query["polars"](pl.scan_parquet(path)).collect().to_arrow()


def text(value):
    if isinstance(value, datetime):
        value = value.replace(tzinfo=value.tzinfo or timezone.utc) - EPOCH
        return str(value // type(value)(microseconds=1))
    return ",".join(sorted(value)) if isinstance(value, list) else str(value)


def digest(table):
    """Of the rows in any order: the sum of a hash of each."""
    total = 0
    for row in zip(*(table.column(name).to_pylist() for name in table.column_names)):
        total += int.from_bytes(hashlib.md5("\x1f".join(map(text, row)).encode()).digest()[:8], "little")
    return f"{total % (1 << 64):016x}"


def main():
    kind, path = sys.argv[1:]
    run = {"duckdb": duckdb_peer, "polars": polars_peer}[kind](path)
    for line in sys.stdin:
        request = json.loads(line)
        table = run(QUERIES[request["query"]])
        answer = {"rows": table.num_rows}
        if request.get("digest"):
            answer["digest"] = digest(table)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
