"""Starts `huntbook serve` and speaks to it without a client's help."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import os
import resource
import signal
import subprocess
import time
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Any

from azure.core.credentials import AccessToken

from harness import SOON, huntbook_binary


@dataclass
class Answer:
    """One answer."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        return self.json["error"]

    @property
    def innermost(self) -> dict[str, Any]:
        """The error at the end of the chain of inner errors."""
        error = self.error
        while "innererror" in error:
            error = error["innererror"]
        return error


def spare_the_machine() -> None:
    """A query that is not stopped ends for want of memory, before the machine does."""
    resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))


class Server:
    """A running `huntbook serve`."""

    def __init__(self, data: Path, *options: str) -> None:
        command = [huntbook_binary(), "serve", "--data", str(data), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=spare_the_machine)
        line = self.process.stdout.readline()
        assert line, f"it did not start: {self.process.communicate(timeout=SOON)[1]}"
        self.started = json.loads(line)
        self.url: str = self.started["url"]
        self.workspace: str = self.started["workspace"]
        self.rule: str = self.started["dcr"]
        self.token = Path(self.started["token_file"]).read_text()
        self.key = Path(self.started["shared_key_file"]).read_text()
        self.host, _, port = self.url.split("//")[1].rpartition(":")
        self.port = int(port)

    def stop(self) -> int:
        """Ends it as Ctrl-C does; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=SOON)
        return self.process.returncode

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=SOON)

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, self.port, timeout=SOON)

    def send(self, method: str, path: str, body: Any = None, token: str | None = "", **headers: str) -> Answer:
        """A request with the token, or another one, or with none (`None`); `body` is JSON unless it is bytes."""
        asked = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            asked["Authorization"] = f"Bearer {token or self.token}"
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            asked.setdefault("Content-Type", "application/json")
        asked = {name: value for name, value in asked.items() if value}
        connection = self.connection()
        try:
            connection.request(method, path, body, asked)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def query(self, text: str, more: dict[str, Any] | None = None, **headers: str) -> Answer:
        """A Log Analytics query."""
        return self.send("POST", f"/v1/workspaces/{self.workspace}/query", {"query": text, **(more or {})}, **headers)

    def rows(self, text: str, more: dict[str, Any] | None = None) -> list[list[Any]]:
        answer = self.query(text, more)
        assert answer.status == 200, answer.body
        assert "error" not in answer.json, answer.json["error"]
        return answer.json["tables"][0]["rows"]

    def count(self, table: str) -> int:
        return self.rows(f"{table} | count")[0][0]

    def kusto(self, text: str, db: str = "hunt", properties: dict[str, Any] | None = None, path: str = "/v2/rest/query") -> Answer:
        body = {"db": db, "csl": text, "properties": json.dumps(properties or {})}
        return self.send("POST", path, body)

    def command(self, text: str) -> Answer:
        """A management command."""
        return self.kusto(text, path="/v1/rest/mgmt")

    def ingest(self, stream: str, rows: Any, rule: str | None = None, version: str = "?api-version=2023-01-01", **headers: str) -> Answer:
        """A Logs Ingestion call."""
        return self.send("POST", f"/dataCollectionRules/{rule or self.rule}/streams/{stream}{version}", rows, **headers)

    def sign(self, length: int, date: str, workspace: str | None = None, key: str | None = None) -> str:
        text = f"POST\n{length}\napplication/json\nx-ms-date:{date}\n/api/logs"
        digest = hmac.new(base64.b64decode(key or self.key), text.encode(), hashlib.sha256).digest()
        return f"SharedKey {workspace or self.workspace}:{base64.b64encode(digest).decode()}"

    def collect(self, log_type: str, rows: Any, path: str = "/api/logs?api-version=2016-04-01", **headers: str) -> Answer:
        """A Data Collector post, signed; `headers` replace its own, and an empty one is left out."""
        body = rows if isinstance(rows, bytes) else json.dumps(rows).encode()
        date = formatdate(time.time(), usegmt=True)
        own = {
            "Content_Type": "application/json",
            "Log_Type": log_type,
            "x_ms_date": date,
            "Authorization": self.sign(len(body), headers.get("x_ms_date") or date),
        }
        return self.send("POST", path, body, token=None, **{**own, **headers})


class Credential:
    """What Azure's clients take for a credential."""

    def __init__(self, token: str) -> None:
        self.token = token

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        return AccessToken(self.token, int(time.time()) + 3600)

    def close(self) -> None:
        """Clients close it with themselves."""


def refused(data: Path, *options: str) -> str:
    """What a server that cannot start says."""
    command = [huntbook_binary(), "serve", "--data", str(data), *options]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=SOON, env=os.environ)
    assert ended.returncode == 2, ended
    assert not ended.stdout, ended.stdout
    return ended.stderr
