"""`%sentinel --conn` against a small Azure Resource Manager: what is asked, with which token, and what is made of refusals."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from harness import Kernel

WORKSPACE = (
    "/subscriptions/d0cfe6b2-9ac0-4464-9919-dccaee2e48c0/resourceGroups/soc/providers"
    "/Microsoft.OperationalInsights/workspaces/hunt"
)
BASE = f"{WORKSPACE}/providers/Microsoft.SecurityInsights/"
CONN = f"--conn {WORKSPACE}"
TOKEN = "fake-token-aGVsbG8gd29ybGQ"
SCORES = '%kql scored << datatable(user:string, score:real)["ann", 3.5, "bob", 4.5]'


class Plane(ThreadingHTTPServer):
    """Keeps resources by path, wants the current etag, gives lists in pages of two."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.resources: dict[str, dict[str, Any]] = {}
        self.puts: list[tuple[str, dict[str, Any]]] = []
        self.tokens: set[str] = set()
        self.versions: set[str] = set()
        self.refuse: list[int] = []
        self.tag = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def keep(self, path: str, resource: dict[str, Any]) -> None:
        self.tag += 1
        self.resources[BASE + path] = {**resource, "etag": f'"{self.tag}"', "name": path.rsplit("/", 1)[-1]}


class Handler(BaseHTTPRequestHandler):
    server: Plane
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:  # noqa: N802
        path, query = self._asked()
        if path == "/identity":
            assert self.headers["X-IDENTITY-HEADER"] == "identity-header"
            return self._answer(200, {"access_token": TOKEN, "expires_on": str(int(time.time()) + 3600)})
        if self.server.refuse:
            status = self.server.refuse.pop(0)
            return self._answer(status, {"error": {"code": "Refused", "message": "not today"}}, {"Retry-After": "0"})
        if path in self.server.resources:
            return self._answer(200, self.server.resources[path])
        below = [kept for name, kept in sorted(self.server.resources.items()) if name.rsplit("/", 1)[0] == path]
        if not below and path.rsplit("/", 1)[-1] not in ("incidents", "comments", "watchlists", "watchlistItems"):
            return self._answer(404, {"error": {"code": "NotFound", "message": "no such resource"}})
        start = int(query.get("$skipToken", ["0"])[0])
        page: dict[str, Any] = {"value": below[start : start + 2]}
        if start + 2 < len(below):
            page["nextLink"] = f"{self.server.url}{path}?api-version=2025-09-01&$skipToken={start + 2}"
        self._answer(200, page)

    def do_PUT(self) -> None:  # noqa: N802
        path, _ = self._asked()
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        old = self.server.resources.get(path)
        if old is not None and old["etag"] != body.get("etag"):
            return self._answer(409, {"error": {"code": "Conflict", "message": "the etag is not the current one"}})
        self.server.puts.append((path.removeprefix(BASE), body))
        self.server.keep(path.removeprefix(BASE), {key: value for key, value in body.items() if key != "etag"})
        self._answer(200 if old else 201, self.server.resources[path])

    def _asked(self) -> tuple[str, dict[str, list[str]]]:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        if parts.path != "/identity":
            self.server.tokens.add(self.headers.get("Authorization", ""))
            self.server.versions.update(query.get("api-version", ["none"]))
        return unquote(parts.path), query

    def _answer(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def plane() -> Iterator[Plane]:
    started = Plane()
    for number in range(1, 6):
        properties = {
            "title": f"Incident {number}",
            "severity": "Medium",
            "status": "New",
            "incidentNumber": number,
            "createdTimeUtc": "2026-03-01T09:00:00Z",
            "additionalData": {"alertsCount": number},
            "relatedAnalyticRuleIds": ["x"],
        }
        started.keep(f"incidents/00000000-0000-0000-0000-00000000000{number}", {"properties": properties})
    yield started
    started.shutdown()


@pytest.fixture
def hunting(plane: Plane, start_kernel: Callable[..., Kernel]) -> Kernel:
    environment = {
        "HUNTBOOK_ARM_ENDPOINT": plane.url,
        "IDENTITY_ENDPOINT": f"{plane.url}/identity",
        "IDENTITY_HEADER": "identity-header",
        "AZURE_CLIENT_ID": "",
    }
    return start_kernel(env=environment)


def test_the_service_is_worked_with(hunting: Kernel, plane: Plane) -> None:
    hunting.ok(f"%sentinel open << incident list {CONN}")
    assert hunting.count("open") == 5, "all pages"
    assert hunting.ok(f"%sentinel incident list --top 3 {CONN}").text.startswith("3 rows")
    number_four = "00000000-0000-0000-0000-000000000004"

    dry = hunting.ok(f"%sentinel incident update {number_four} --severity High {CONN}").text
    assert "severity: Medium -> High" in dry and "Sentinel workspace hunt" in dry and "--yes" in dry
    assert plane.puts == []
    hunting.ok(f"%sentinel incident update {number_four} --severity High --yes {CONN}")
    path, body = plane.puts.pop()
    assert path == f"incidents/{number_four}"
    assert body["properties"] == {"title": "Incident 4", "severity": "High", "status": "New"}
    assert body["etag"].startswith('"')
    hunting.ok(f"%sentinel incident comment {number_four} 'it is \"odd\"' --yes {CONN}")
    assert plane.puts.pop()[1] == {"properties": {"message": 'it is "odd"'}}
    hunting.ok(f"%sentinel incident close {number_four} --classification FalsePositive --reason InaccurateData --yes {CONN}")
    assert plane.puts.pop()[1]["properties"]["classificationReason"] == "InaccurateData"
    shown = hunting.ok(f"%sentinel incident show {number_four} {CONN}").text
    assert "Closed" in shown and 'it is "odd"' in shown

    hunting.ok(SCORES)
    hunting.ok(f"%sentinel watchlist put seen scored --key user --yes {CONN}")
    assert plane.puts.pop()[1]["properties"]["rawContent"] == "user,score\nann,3.5\nbob,4.5\n"
    for number, user in enumerate(["ann", "bob", "cid"]):
        plane.keep(f"watchlists/seen/watchlistItems/{number}", {"properties": {"itemsKeyValue": {"user": user}}})
    hunting.ok(f"%sentinel back << watchlist get seen {CONN}")
    assert hunting.count("back") == 3
    hunting.ok(f"%sentinel bookmark scored --title {{{{user}}}} --incident {number_four} --yes {CONN}")
    assert [path.split("/")[0] for path, _ in plane.puts] == ["bookmarks", "incidents", "bookmarks", "incidents"]
    plane.puts.clear()

    hunting.ok("%la_write scored Scores")
    hunting.ok('%sentinel rule new Odd --query "Scores_CL | where score > 4" --force')
    assert "new" in hunting.ok(f"%sentinel rule deploy Odd.yaml {CONN}").text
    hunting.ok(f"%sentinel rule deploy Odd.yaml --yes {CONN}")
    path, body = plane.puts.pop()
    assert path.startswith("alertRules/") and body["properties"]["queryFrequency"] == "PT1H"
    assert body["properties"]["suppressionEnabled"] is False
    assert "already so" in hunting.ok(f"%sentinel rule deploy Odd.yaml --yes {CONN}").text

    assert plane.tokens == {f"Bearer {TOKEN}"}
    assert plane.versions == {"2025-09-01"}


def test_refusals_are_said_and_no_token_shows(hunting: Kernel, plane: Plane) -> None:
    plane.refuse = [503, 429]
    assert hunting.ok(f"%sentinel incident list {CONN}").text.startswith("5 rows"), "what passes is tried again"
    plane.refuse = [403]
    refused = hunting.fails(f"%sentinel incident list {CONN}").error_text
    assert "403" in refused and "not today" in refused and "role" in refused
    missing = hunting.fails(f"%sentinel incident show 00000000-0000-0000-0000-000000000009 {CONN}").error_text
    assert "there is no incident" in missing
    wrong = hunting.fails("%sentinel incident list --conn /subscriptions/x").error_text
    assert "is not the resource id" in wrong
    unknown = hunting.fails("%sentinel incident list --conn nowhere").error_text
    assert "resource id" in unknown
    assert all(TOKEN not in text and "identity-header" not in text for text in (refused, missing, wrong, unknown))
