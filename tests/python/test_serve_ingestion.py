"""Rows into `huntbook serve`: data collection rules, the data collector, and what survives."""

from __future__ import annotations

import gzip
import http.client
import json
import random
import socket
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from workspace_server import Server

MIB = 1 << 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("serve"), "--auto-create")
    yield started
    assert started.stop() == 0


def test_rows_can_be_queried_when_they_are_acknowledged(server: Server) -> None:
    before = time.time()
    answer = server.ingest("Custom-Now", [{"text": 'a "quote", é', "n": None}, {}])
    assert (answer.status, answer.body) == (204, b"")
    rows = server.rows("Now_CL | project text, Type, age = (now() - TimeGenerated) < 1m")
    assert rows == [['a "quote", é', "Now_CL", True], ["", "Now_CL", True]]
    assert time.time() - before < 60


def test_types_are_those_of_the_values(server: Server) -> None:
    rows = [{"b": True, "l": 9007199254740993, "r": 1.5, "s": "x", "d": "2026-01-02T03:04:05.1234567Z", "y": {"a": [1]}, "mixed": 1}, {"mixed": "x"}]
    assert server.ingest("Custom-Types", rows).status == 204
    schema = dict(server.rows("Types_CL | getschema | project ColumnName, ColumnType"))
    wanted = {"b": "bool", "l": "long", "r": "real", "s": "string", "d": "datetime", "y": "dynamic", "mixed": "dynamic"}
    assert {name: schema[name] for name in wanted} == wanted
    assert server.rows("Types_CL | where b | project l, d, y.a[0]") == [[9007199254740993, "2026-01-02T03:04:05.1234567Z", "1"]]
    refused = server.ingest("Custom-Types", [{"l": 1}, {"l": 1.5}])
    assert (refused.status, refused.error["code"]) == (400, "InvalidPayload")
    assert "Row 2" in refused.error["message"] and "'l'" in refused.error["message"]
    assert server.count("Types_CL") == 2, "nothing of a refused body is stored"
    assert server.ingest("Custom-Types", [{"new": 1}]).status == 204


def test_the_order_of_checks(server: Server) -> None:
    large = [{"text": "x" * MIB}]
    path = f"/dataCollectionRules/{server.rule}/streams/Custom-Order"
    assert server.send("POST", path, large, token=None).status == 401
    assert server.send("POST", path, large, token="wrong").status == 403
    too_large = server.send("POST", path, large)
    assert (too_large.status, too_large.error["code"]) == (413, "ContentLengthLimitExceeded")
    assert too_large.error["message"].startswith("Maximum allowed content length: 1048576 bytes (1 MB). Provided content length: ")
    assert server.ingest("Custom-Order", [{}], version="").status == 400
    assert server.ingest("Custom-Order", [{}], version="?api-version=1999-01-01").status == 400
    unknown = server.ingest("Nonsense", b"no json", rule="dcr-none")
    assert (unknown.status, unknown.error["code"]) == (404, "NotFound")
    assert unknown.error["message"] == "Data collection rule with immutable Id 'dcr-none' not found."
    stream = server.ingest("Nonsense", b"no json")
    assert (stream.status, stream.error["code"]) == (400, "InvalidStream")
    assert server.ingest("Custom-Order", b"no gzip", Content_Encoding="gzip").status == 400
    for wrong in (b"no json", b"{}", b"[1]", b"[{}", b"\xff", b""):
        answer = server.ingest("Custom-Order", wrong)
        assert (answer.status, answer.error["code"]) == (400, "InvalidPayload"), wrong
    assert server.ingest("Custom-Order", b"[]", Content_Type="text/plain").status == 415
    assert server.query("Order_CL").status == 400, "there is no table yet"


def test_a_large_length_is_refused_before_anything_is_read(server: Server) -> None:
    with socket.create_connection((server.host, server.port), timeout=20) as stream:
        head = f"POST /dataCollectionRules/{server.rule}/streams/Custom-X?api-version=2023-01-01 HTTP/1.1\r\nHost: localhost\r\n"
        stream.sendall(f"{head}Authorization: Bearer {server.token}\r\nContent-Type: application/json\r\nContent-Length: 1068792\r\n\r\n".encode())
        assert b" 413 " in stream.recv(4096).split(b"\r\n")[0]


def test_gzip_is_unpacked_up_to_four_megabytes(server: Server) -> None:
    def packed(size: int) -> bytes:
        return gzip.compress(json.dumps([{"text": "x" * size}]).encode())

    assert server.ingest("Custom-Packed", packed(3 * MIB), Content_Encoding="gzip").status == 204
    assert server.ingest("Custom-Packed", packed(5 * MIB), Content_Encoding="gzip").status == 413
    assert server.ingest("Custom-Packed", packed(10)[:-5], Content_Encoding="gzip").status == 400
    assert server.rows("Packed_CL | project strlen(text)") == [[3 * MIB]]


@pytest.fixture
def rule(tmp_path: Path) -> Path:
    path = tmp_path / "rule.json"
    columns = [{"name": "TimeGenerated", "type": "datetime"}, {"name": "n", "type": "int"}, {"name": "bag", "type": "dynamic"}]
    declared = {"Custom-Raw": {"columns": columns}, "Custom-Plain": {"columns": columns}}
    flow = {"streams": ["Custom-Raw"], "transformKql": "source | where n > 1 | extend a = tostring(bag.a)", "outputStream": "Custom-Shaped_CL"}
    properties = {"immutableId": "dcr-11112222333344445555666677778888", "streamDeclarations": declared, "dataFlows": [flow]}
    path.write_text(json.dumps({"location": "local", "properties": properties}))
    return path


def test_a_rule_declares_and_transforms(tmp_path: Path, rule: Path) -> None:
    server = Server(tmp_path / "data", "--dcr", str(rule))
    try:
        assert server.rule == "dcr-11112222333344445555666677778888"
        rows = [{"n": n, "bag": {"a": f"v{n}"}, "undeclared": 1} for n in range(4)]
        assert server.ingest("Custom-Raw", rows).status == 204
        assert server.rows("Shaped_CL | project n, a, Type | sort by n asc") == [[2, "v2", "Shaped_CL"], [3, "v3", "Shaped_CL"]]
        columns = [row[0] for row in server.rows("Shaped_CL | getschema | project ColumnName")]
        assert "undeclared" not in columns and "TimeGenerated" in columns
        assert server.ingest("Custom-Plain", rows).status == 204 and server.count("Plain_CL") == 4
        assert server.ingest("Custom-Raw", [{"n": "many"}]).error["code"] == "InvalidPayload"
        assert server.ingest("Custom-Other", rows).error["code"] == "InvalidStream"
    finally:
        server.stop()


def test_without_auto_create_tables_must_be_there(tmp_path: Path) -> None:
    server = Server(tmp_path)
    try:
        assert server.ingest("Custom-T", [{"n": 1}]).error["code"] == "InvalidStream"
        assert server.command(".create table T_CL (n: long, TimeGenerated: datetime)").status == 200
        assert server.command(".create table T_CL (n: long)").status == 400
        assert server.ingest("Custom-T", [{"n": 1, "other": 2}]).status == 204
        assert server.rows("T_CL | project n, Type") == [[1, "T_CL"]]
    finally:
        server.stop()


RECORD = {"StringValue": "MyString1", "NumberValue": 42, "BooleanValue": True, "DateValue": "2019-09-12T20:00:00.625Z", "GUIDValue": "9909ED01-A74C-4874-8ABF-D2678E3AE23D", "Nothing": None}


def test_the_data_collector_names_columns_by_type(server: Server) -> None:
    answer = server.collect("Collected", [RECORD])
    assert (answer.status, answer.body) == (200, b"")
    rows = server.rows("Collected_CL | project StringValue_s, NumberValue_d, BooleanValue_b, DateValue_t, GUIDValue_g, Type")
    assert rows == [["MyString1", 42.0, True, "2019-09-12T20:00:00.6250000Z", "9909ed01-a74c-4874-8abf-d2678e3ae23d", "Collected_CL"]]
    assert server.collect("Collected", {"NumberValue": "43"}).status == 200
    assert server.collect("Collected", {"NumberValue": "many"}).status == 200
    assert server.rows("Collected_CL | where isnull(DateValue_t) | project NumberValue_d, NumberValue_s | sort by NumberValue_s asc") == [[43.0, ""], [None, "many"]]


def test_the_data_collector_checks_its_signature(server: Server) -> None:
    def refused(status: int, code: str, **headers: str) -> None:
        answer = server.collect(headers.pop("log_type", "Signed"), [RECORD], **headers)
        assert (answer.status, answer.json["Error"]) == (status, code), answer.body
        assert set(answer.json) == {"Error", "Message"}

    date = formatdate(time.time(), usegmt=True)
    length = len(json.dumps([RECORD]))
    other_key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
    refused(403, "InvalidAuthorization", Authorization=server.sign(length + 1, date), x_ms_date=date)
    refused(403, "InvalidAuthorization", Authorization=server.sign(length, date, key=other_key), x_ms_date=date)
    refused(403, "InvalidAuthorization", Authorization=server.sign(length, date, workspace="11111111-2222-3333-4444-555555555555"), x_ms_date=date)
    refused(403, "InvalidAuthorization", Authorization=f"Bearer {server.token}")
    refused(403, "InvalidAuthorization", Authorization="")
    refused(403, "InvalidAuthorization", Authorization="SharedKey \xff\xe9:x")
    refused(403, "InvalidAuthorization", x_ms_date=formatdate(time.time() - 3600, usegmt=True))
    refused(403, "InvalidAuthorization", x_ms_date="yesterday")
    refused(400, "MissingLogType", Log_Type="")
    refused(400, "InvalidLogType", log_type="a b")
    refused(400, "UnsupportedContentType", Content_Type="text/plain")
    refused(400, "MissingApiVersion", path="/api/logs")
    refused(400, "InvalidApiVersion", path="/api/logs?api-version=1")
    assert server.query("Signed_CL").status == 400, "there is no table yet"
    for wrong in (b"no json", b"[1]", b'[{"tenant": 1}]', b'[{"TimeGenerated": "2026-01-02T00:00:00Z"}]', b"\xff"):
        assert server.collect("Signed", wrong).json["Error"] == "InvalidDataFormat", wrong
    assert server.collect("Signed", json.dumps([{"text": "é" * 10}], ensure_ascii=False).encode()).status == 200
    assert server.send("POST", "/api/logs?api-version=2016-04-01", None, Content_Type="application/json", Content_Length="40000000").status in (403, 404)


def test_the_data_collector_keeps_the_time_of_the_row(server: Server) -> None:
    recent = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 7200))
    rows = [{"at": recent, "n": 1}, {"at": "2020-01-01T00:00:00Z", "n": 2}, {"n": 3}]
    assert server.collect("Timed", rows, time_generated_field="at").status == 200
    kept = server.rows("Timed_CL | sort by n_d asc | project TimeGenerated == at_t, now() - TimeGenerated < 5m")
    assert kept == [[True, False], [False, True], [None, True]]


def test_many_small_appends_stay_few_segments(server: Server) -> None:
    for n in range(100):
        assert server.ingest("Custom-Small", [{"n": n}]).status == 204
    assert server.rows("Small_CL | summarize count(), sum(n), dcount(n)") == [[100, 4950, 100]]
    tables = server.command(".show tables details").json["Tables"][0]
    names = [column["ColumnName"] for column in tables["Columns"]]
    small = next(dict(zip(names, row)) for row in tables["Rows"] if row[0] == "Small_CL")
    assert small["TotalRowCount"] == 100 and small["TotalExtents"] < 40


def test_a_restart_keeps_rows_and_ids(tmp_path: Path) -> None:
    first = Server(tmp_path, "--auto-create")
    assert first.ingest("Custom-Kept", [{"n": 1}]).status == 204
    assert first.stop() == 0
    second = Server(tmp_path, "--auto-create")
    try:
        assert (second.workspace, second.rule) == (first.workspace, first.rule)
        assert second.token != first.token
        assert second.count("Kept_CL") == 1
    finally:
        second.stop()


def test_killing_it_loses_no_acknowledged_row(tmp_path: Path) -> None:
    acknowledged: set[int] = set()
    sent: set[int] = set()
    for attempt in range(5):
        server = Server(tmp_path, "--auto-create")
        ended = threading.Event()

        def write(writer: int) -> None:
            number = (attempt * 4 + writer) * 1_000_000
            while not ended.is_set():
                number += 1
                sent.add(number)
                try:
                    if server.ingest("Custom-Killed", [{"n": number}]).status == 204:
                        acknowledged.add(number)
                except (OSError, http.client.HTTPException):
                    return

        writers = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
        for writer in writers:
            writer.start()
        time.sleep(random.uniform(0.2, 1.0))
        server.kill()
        ended.set()
        for writer in writers:
            writer.join()
    server = Server(tmp_path, "--auto-create")
    try:
        assert len(acknowledged) > 20
        stored = [row[0] for row in server.rows("Killed_CL | project n")]
        assert len(stored) == len(set(stored)), "no row is there twice"
        assert acknowledged <= set(stored) <= sent
    finally:
        server.stop()
