"""`huntbook serve`: starting, guards, the query APIs on the wire."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import socket
import ssl
import stat
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from harness import wait_until
from workspace_server import Server, refused

# Runs for minutes unless it is cancelled.
ENDLESS = "range a from 1 to 50000 step 1 | extend k = 1 | join kind=inner (range b from 1 to 400000 step 1 | extend k = 1) on k | where hash_sha256(tostring(a * b)) == '' | count"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With ten rows in `Hours_CL`, an hour apart."""
    started = Server(tmp_path_factory.mktemp("serve"), "--auto-create")
    rows = [{"TimeGenerated": f"2026-01-02T{hour:02}:30:00Z", "n": hour, "bag": {"h": hour}} for hour in range(10)]
    assert started.ingest("Custom-Hours", rows).status == 204
    yield started
    assert started.stop() == 0


def test_the_first_line_says_all(server: Server) -> None:
    assert set(server.started) == {"url", "workspace", "database", "token_file", "shared_key_file", "dcr", "pid"}
    assert server.started["pid"] == server.process.pid
    assert server.started["database"] == "hunt"
    for name in ("token_file", "shared_key_file"):
        assert stat.S_IMODE(os.stat(server.started[name]).st_mode) == 0o600
    assert len(server.token) >= 43


def test_a_second_server_is_refused(server: Server) -> None:
    data = Path(server.started["token_file"]).parent.parent
    assert f"process {server.process.pid}" in refused(data)


@pytest.mark.parametrize("options", [("--listen", "0.0.0.0:0"), ("--dcr", "/none.json"), ("--database", "a/b")])
def test_wrong_options_are_refused(tmp_path: Path, options: tuple[str, ...]) -> None:
    assert options[1].split(":")[0] in refused(tmp_path / "data", *options)


def test_a_readable_token_file_is_refused(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("planted-secret")
    token.chmod(0o644)
    said = refused(tmp_path / "data", "--token-file", str(token))
    assert "chmod 600" in said and "planted-secret" not in said


def test_a_query_gives_typed_columns(server: Server) -> None:
    answer = server.query(
        "print s='a', b=true, i=int(1), l=9007199254740993, r=real(nan), d=datetime(2026-01-02 03:04:05.1234567),"
        " t=1d+1s, g=guid(9909ED01-A74C-4874-8ABF-D2678E3AE23D), y=dynamic({'a':[1]}), m=decimal(1.5), x=long(null)"
    )
    table = answer.json["tables"][0]
    assert set(answer.json) == {"tables"} and table["name"] == "PrimaryResult"
    kinds = ["string", "bool", "int", "long", "real", "datetime", "timespan", "guid", "dynamic", "decimal", "long"]
    assert [column["type"] for column in table["columns"]] == kinds
    assert table["rows"] == [
        ["a", True, 1, 9007199254740993, "NaN", "2026-01-02T03:04:05.1234567Z", "1.00:00:01",
         "9909ed01-a74c-4874-8abf-d2678e3ae23d", '{"a":[1]}', "1.5", None]
    ]  # fmt: skip


def test_timespans_cut_every_table(server: Server) -> None:
    span = {"timespan": "2026-01-02T02:00:00Z/2026-01-02T06:00:00Z"}
    assert server.rows("union Hours_CL, Hours_CL | count", span) == [[8]]
    assert server.rows("Hours_CL | where TimeGenerated > datetime(2026-01-02 04:00) | count", span) == [[2]]
    path = f"/v1/workspaces/{server.workspace}/query?timespan=2026-01-02T05:00:00Z/PT3H"
    answer = server.send("POST", path, {"query": "Hours_CL | count", **span})
    assert answer.json["tables"][0]["rows"] == [[1]], "both hold together"
    assert server.rows("Hours_CL | count", {"timespan": "PT1H"}) == [[0]]
    wrong = server.query("Hours_CL", {"timespan": "yesterday"})
    assert (wrong.status, wrong.error["code"]) == (400, "BadArgumentError")


def test_other_ways_to_ask(server: Server) -> None:
    got = server.send("GET", f"/v1/workspaces/{server.workspace}/query?query=print%201")
    assert got.json["tables"][0]["rows"] == [[1]]
    resource = "/v1//subscriptions/s/resourceGroups/g/providers/Microsoft.OperationalInsights/workspaces/w/query"
    body = {"query": "print 1", "timespan": None, "workspaces": None, "more": {"x": 1}}
    assert server.send("POST", resource, body).json["tables"][0]["rows"] == [[1]]
    assert server.send("POST", f"/v1/workspaces/{server.workspace}/query", gzip.compress(json.dumps(body).encode()), Content_Encoding="gzip").status == 200
    several = server.query("print 1; Hours_CL | fork (count) (take 2)").json["tables"]
    assert [len(table["rows"]) for table in several] == [1, 1, 2]
    assert server.query("print 1", {"workspaces": [server.workspace, "hunt"]}).status == 200
    assert server.query("print 1", {"workspaces": ["other"]}).innermost["code"] == "SEM0139"


def test_statistics_and_render_come_when_asked_for(server: Server) -> None:
    asked = {"Prefer": "wait=300,include-statistics=true,include-render=true"}
    body = server.query("print 1 | render barchart with (title='T')", **asked).json
    assert body["render"]["visualization"] == "barchart" and body["render"]["title"] == "T"
    assert body["statistics"]["query"]["executionTime"] >= 0
    assert server.query("print 1", **asked).json["render"] == {}


def test_unthinned_answers_are_kustos_v1(server: Server) -> None:
    tables = server.query("range c from 1 to 10 step 1 | count", Prefer="ai.response-thinning=false, wait=10").json["Tables"]
    assert tables[0]["Rows"] == [[10]]
    assert [row[1] for row in tables[-1]["Rows"]] == ["QueryResult", "QueryProperties", "QueryStatus"]


def test_errors_say_where(server: Server) -> None:
    syntax = server.query("Hours_CL |\n invalid x")
    assert syntax.status == 400 and syntax.error["code"] == "BadArgumentError"
    assert syntax.error["message"] == "The request had some invalid properties"
    assert syntax.error["innererror"]["message"] == "A recognition error occurred in the query."
    assert (syntax.innermost["code"], syntax.innermost["line"], syntax.innermost["token"]) == ("SYN0002", 2, "invalid")
    assert "Query could not be parsed at 'invalid' on line [2,1]" in syntax.innermost["message"]
    semantic = server.query("Hours_CL | where X > 1")
    assert semantic.error["innererror"]["code"] == "SemanticError"
    assert semantic.innermost["code"] == "SEM0100"
    assert "'where' operator: Failed to resolve column or scalar expression named 'X'" in semantic.innermost["message"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"query": 1}', b'{"query": "  "}', b"\xff\xfe", b'{"query": "\\u0000"}'])
def test_bad_bodies_are_bad_requests(server: Server, body: bytes) -> None:
    for path in (f"/v1/workspaces/{server.workspace}/query", "/v2/rest/query", "/v1/rest/mgmt", "/v1/$batch"):
        answer = server.send("POST", path, body)
        assert answer.status == 400 and answer.error["code"], answer.body


def test_results_beyond_the_limit_are_partial(server: Server) -> None:
    body = server.query("range n from 1 to 500001 step 1").json
    assert len(body["tables"][0]["rows"]) == 500_000
    assert body["error"]["code"] == "PartialError"
    assert body["error"]["details"][0]["innererror"]["severityName"] == "Error"
    large = server.query("range n from 1 to 120 step 1 | extend s = strrep(strrep('x', 1000), 1000)").json
    assert 90 < len(large["tables"][0]["rows"]) < 120 and large["error"]["code"] == "PartialError"


def test_who_may_ask(server: Server, tmp_path: Path) -> None:
    path = f"/v1/workspaces/{server.workspace}/query"
    body = {"query": "print 1"}
    missing = server.send("POST", path, body, token=None)
    assert (missing.status, missing.error["code"], missing.headers["WWW-Authenticate"]) == (401, "AuthenticationFailed", "Bearer")
    wrong = server.send("POST", path, body, token="wrong-token")
    assert (wrong.status, wrong.error["code"]) == (403, "InvalidAuthenticationToken")
    assert b"wrong-token" not in wrong.body
    assert server.send("POST", path, body, token=None, x_api_key=server.token).status == 200
    assert server.send("POST", "/v2/rest/query", {"db": "hunt", "csl": "print 1"}, token="wrong-token").status == 401
    assert server.send("POST", "/v2/rest/query", {"db": "hunt", "csl": "print 1"}, token=None).status == 401
    assert server.send("POST", path, body, token=None, Authorization="Bearer \xff\xe9").status == 403
    open_server = Server(tmp_path / "open", "--anonymous")
    try:
        path = f"/v1/workspaces/{open_server.workspace}/query"
        assert open_server.send("POST", path, body, token=None).status == 200
        assert open_server.send("POST", path, body, token="wrong-token").status == 403
        create = {"db": "hunt", "csl": ".create-merge table T (a: long)"}
        assert open_server.send("POST", "/v1/rest/mgmt", create, token=None).status == 401
        assert open_server.send("POST", "/v1/rest/mgmt", create).status == 200
    finally:
        open_server.stop()


def test_guards_of_a_request(server: Server) -> None:
    path = f"/v1/workspaces/{server.workspace}/query"
    assert server.send("POST", path, {"query": "print 1"}, Host="evil.example").status == 421
    assert server.send("POST", path, {"query": "print 1"}, Host="a.localhost").status == 200
    assert server.send("POST", path, b"query=print", Content_Type="application/x-www-form-urlencoded").status == 415
    unknown = server.send("GET", "/nothing")
    assert (unknown.status, unknown.error["code"]) == (404, "PathNotFoundError")
    other = server.send("POST", "/v1/workspaces/11111111-2222-3333-4444-555555555555/query", {"query": "print 1"})
    assert (other.status, other.error["code"]) == (404, "WorkspaceNotFoundError")
    assert server.send("POST", path, {"query": "print 1"}, X_Large="x" * 20_000).status == 431
    assert server.send("POST", path, None, Content_Type="application/json", Content_Length="70000000").status == 413


def test_headers_of_an_answer(server: Server) -> None:
    first = server.query("print s = strrep('xyz', 1000)", x_ms_client_request_id="hunt;1", Accept_Encoding="gzip, deflate", Origin="http://evil.example")
    assert first.headers["x-ms-client-request-id"] == "hunt;1"
    assert not [name for name in first.headers if name.lower().startswith("access-control")]
    assert first.headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(first.body))["tables"][0]["rows"][0][0] == "xyz" * 1000
    second = server.query("print 1")
    assert first.headers["x-ms-activity-id"] != second.headers["x-ms-activity-id"]
    assert "Retry-After" not in server.query("nonsense nonsense").headers


def test_metadata_lists_tables(server: Server) -> None:
    tables = server.send("GET", f"/v1/workspaces/{server.workspace}/metadata").json["tables"]
    hours = next(table for table in tables if table["name"] == "Hours_CL")
    columns = {column["name"]: column["type"] for column in hours["columns"]}
    assert columns == {"TimeGenerated": "datetime", "n": "long", "bag": "dynamic", "Type": "string"}


@pytest.mark.parametrize("path", ["/v1/$batch", "/v1/%24batch"])
def test_a_batch_answers_each_member(server: Server, path: str) -> None:
    def member(name: str, query: str, workspace: str = server.workspace) -> dict[str, object]:
        body = {"query": query, "timespan": None}
        return {"id": name, "headers": {"Content-Type": "application/json"}, "body": body, "method": "POST", "path": "/query", "workspace": workspace}

    members = [member("a", "print 1"), member("b", "print x"), member("c", "print 1", "11111111-2222-3333-4444-555555555555")]
    responses = server.send("POST", path, {"requests": members}).json["responses"]
    assert [(response["id"], response["status"]) for response in responses] == [("a", 200), ("b", 400), ("c", 404)]
    assert responses[0]["body"]["tables"][0]["rows"] == [[1]]
    assert responses[2]["body"]["error"]["code"] == "WorkspaceNotFoundError"
    assert server.send("POST", path, {"requests": [members[0], members[0]]}).status == 400


def test_a_query_out_of_time_is_cancelled(server: Server) -> None:
    began = time.monotonic()
    answer = server.query(ENDLESS, Prefer="wait=1")
    assert (answer.status, answer.error["code"]) == (504, "GatewayTimeout")
    assert time.monotonic() - began < 20
    assert "Retry-After" not in answer.headers
    wait_until(lambda: idle(server), "the engine has given the query up")


def idle(server: Server) -> bool:
    """Does the server use no processor time?"""

    def used() -> float:
        fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before = used()
    time.sleep(0.5)
    return used() - before < 0.1


def test_a_client_that_goes_away_cancels_its_queries(server: Server) -> None:
    sockets = []
    body = json.dumps({"query": ENDLESS}).encode()
    for _ in range(7):
        stream = socket.create_connection((server.host, server.port))
        head = f"POST /v1/workspaces/{server.workspace}/query HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.token}\r\n"
        stream.sendall(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        sockets.append(stream)
    wait_until(lambda: not idle(server), "the queries run")
    for stream in sockets:
        stream.close()
    # Five ran and two waited: nothing of them is left in the way.
    assert server.rows("print 1") == [[1]]
    wait_until(lambda: idle(server), "the engine has given the queries up")


def test_many_queries_take_their_turns(server: Server) -> None:
    with ThreadPoolExecutor(40) as threads:
        answers = list(threads.map(lambda n: server.rows(f"Hours_CL | summarize s = sum(n) + {n}"), range(120)))
    assert answers == [[[45 + n]] for n in range(120)]


def test_a_slow_body_is_given_up(server: Server) -> None:
    with socket.create_connection((server.host, server.port), timeout=60) as stream:
        head = f"POST /v1/workspaces/{server.workspace}/query HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.token}\r\n"
        stream.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{".encode())
        began = time.monotonic()
        answer = stream.recv(4096)
        assert b" 408 " in answer.split(b"\r\n")[0] and 20 < time.monotonic() - began < 50


def test_https_with_a_certificate_of_ones_own(tmp_path: Path) -> None:
    certificate, key = certify(tmp_path)
    server = Server(tmp_path / "data", "--tls-cert", str(certificate), "--tls-key", str(key))
    try:
        assert server.url.startswith("https://127.0.0.1:")
        connection = http.client.HTTPSConnection(server.host, server.port, context=ssl.create_default_context(cafile=str(certificate)))
        connection.request("GET", f"/v1/workspaces/{server.workspace}/query?query=print+1", headers={"x-api-key": server.token})
        assert json.loads(connection.getresponse().read())["tables"][0]["rows"] == [[1]]
        connection.close()
        with pytest.raises(ssl.SSLError):
            http.client.HTTPSConnection(server.host, server.port, context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)).request("GET", "/")
    finally:
        server.stop()
    assert "cannot be used" in refused(tmp_path / "data", "--tls-cert", str(key), "--tls-key", str(key))


def certify(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(timezone.utc)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - timedelta(1), now + timedelta(1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return paths


def test_garbage_on_the_wire_does_no_harm(server: Server) -> None:
    for garbage in (b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"\x00" * 100, b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n"):
        with socket.create_connection((server.host, server.port), timeout=60) as stream:
            stream.sendall(garbage)
            stream.shutdown(socket.SHUT_WR)
            stream.recv(4096)
    assert server.rows("print 1") == [[1]]
