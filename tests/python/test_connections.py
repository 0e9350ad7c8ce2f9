"""Queries to services and rows into them: `huntbook serve`, a scripted service with faults, and duckdb-kql."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from harness import SOON, Kernel, huntbook_binary, wait_until

WORKSPACE = "11111111-2222-3333-4444-555555555555"
PLANTED = "planted-5ecret-9f2b71c4"
DAY = datetime(2026, 3, 1, tzinfo=timezone.utc)


class Served:
    """A running `huntbook serve`."""

    def __init__(self, data: Path, *options: str) -> None:
        command = [huntbook_binary(), "serve", "--data", str(data), "--auto-create", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line, f"it did not start: {self.process.wait(SOON)}"
        self.about = json.loads(line)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=SOON)


class Scripted:
    """Log Analytics with faults: `Big` has a row per minute of a day, but gives 100 at the most."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.left = 0
        self.busy = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                columns = [{"name": "TimeGenerated", "type": "datetime"}, {"name": "n", "type": "long"}]
                self.answer(200, {"tables": [{"name": "Big", "columns": columns}]})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append({**body, "headers": dict(self.headers)})
                query = body["query"]
                if query.startswith("Hang"):
                    outer.wait_for_the_end_of(self.connection)
                    self.close_connection = True
                elif query.startswith("Busy") and outer.busy:
                    outer.busy -= 1
                    self.answer(429, {"error": {"code": "ThrottledError", "message": "later"}}, {"Retry-After": "1"})
                elif query.startswith("Big"):
                    self.answer(200, outer.big(body))
                elif "mistake" in query:
                    self.answer(400, outer.mistake(query))
                else:
                    self.answer(200, table([["ok", "string"]], [["yes"]]))

            def answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", "x-ms-request-id": "req-77", **(headers or {})}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    @property
    def connection(self) -> str:
        return f"loganalytics://workspace='{WORKSPACE}';datasourceurl='{self.url}';appkey='{PLANTED}';alias='scripted'"

    def wait_for_the_end_of(self, connection: socket.socket) -> None:
        connection.settimeout(SOON)
        try:
            gone = connection.recv(1) == b""
        except ConnectionError:
            gone = True
        self.left += gone

    def big(self, body: dict[str, Any]) -> dict[str, Any]:
        start, end = (moment(text) for text in body["timespan"].split("/"))
        times = [DAY + timedelta(minutes=minute) for minute in range(1440)]
        # The ends of a timespan belong to it, as they do in Kusto's `between`.
        rows = [(time, n) for n, time in enumerate(times) if start <= time <= end]
        filtered = re.search(r"TimeGenerated >= datetime\((.+?)\) and TimeGenerated < datetime\((.+?)\)", body["query"])
        if filtered:
            since, until = moment(filtered[1]), moment(filtered[2])
            rows = [row for row in rows if since <= row[0] < until]
        found = table([["TimeGenerated", "datetime"], ["n", "long"]], [[time.isoformat(), n] for time, n in rows[:100]])
        if len(rows) > 100:
            inner = {"code": "-2133196797", "message": "The results of this query exceed the set limit", "severity": 2}
            details = [{"code": "EngineError", "message": "Something went wrong", "innererror": inner}]
            found["error"] = {"code": "PartialError", "message": "There were some errors", "details": details}
        return found

    def mistake(self, query: str) -> dict[str, Any]:
        lines = query.splitlines()
        line = next(at for at, text in enumerate(lines) if "mistake" in text)
        inner = {"code": "SYN0002", "message": "Query could not be parsed at 'mistake'", "line": line + 1, "token": "mistake"}
        inner["pos"] = lines[line].index("mistake")
        syntax = {"code": "SyntaxError", "message": "A recognition error occurred.", "innererror": inner}
        return {"error": {"code": "BadArgumentError", "message": "The request had some invalid properties", "innererror": syntax}}


def moment(text: str) -> datetime:
    """ISO 8601 with the seven digits that Kusto has."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d*", r"\1", text))


def table(columns: list[list[str]], rows: list[list[Any]]) -> dict[str, Any]:
    named = [{"name": name, "type": kind} for name, kind in columns]
    return {"tables": [{"name": "PrimaryResult", "columns": named, "rows": rows}]}


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    service = Scripted()
    yield service
    service.server.shutdown()
    service.server.server_close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """Its connection is `local_la`, and `local_kusto` for Kusto's protocol."""
    server = Served(tmp_path / "served")
    about = server.about
    key = f'app_key = "file:{about["token_file"]}"'
    (tmp_path / "huntbook.toml").write_text(
        f'[connections.local_la]\nkind = "loganalytics"\nworkspace = "{about["workspace"]}"\nendpoint = "{about["url"]}"\n{key}\n'
        f'dce = "{about["url"]}"\ndcr = "{about["dcr"]}"\ncollector_endpoint = "{about["url"]}"\n'
        f'shared_key = "file:{about["shared_key_file"]}"\n\n'
        f'[connections.local_kusto]\nkind = "kusto"\ncluster = "{about["url"]}"\ndatabase = "{about["database"]}"\n{key}\n'
    )
    yield server
    if server.process.poll() is None:
        server.stop()


HITS = """%%kql hits <<
print TimeGenerated = datetime(2026-03-01T01:02:03.1234567Z), user = 'ann "the é"\\n', n = 9007199254740993,
    bag = dynamic({"a": ["it's", null, {"b": 1}]}), gone = long(null), part = 0.1 + 0.2, yes = true"""


def write(kernel: Kernel, options: str = "--yes") -> str:
    kernel.ok(HITS)
    return kernel.ok(f"%la_write hits Written --conn local_la {options}").text


def test_connect_asks_the_service_and_says_who_was_let_in(own_kernel: Kernel, served: Served) -> None:
    write(own_kernel)
    connected = own_kernel.ok("%connect local_la").text
    assert "connected to local_la" in connected and "signed in with" in connected
    assert "tables known for completion" in connected
    assert "* local_la" in own_kernel.ok("%connect").text
    shown = own_kernel.ok("%kql Written_CL | project user, n").text
    assert "local_la · request" in shown and "9007199254740993" in shown
    assert "Written_CL (" in own_kernel.ok("%kql --schema written").text
    assert "* local:" in own_kernel.ok("%connect local\n%connect").text


def test_rows_survive_the_way_there_and_back(own_kernel: Kernel, served: Served) -> None:
    assert "1 of 1 rows accepted" in write(own_kernel)
    # A column that is null in all rows is no column of a table that the service makes of them.
    query = "Written_CL | extend inner = tostring(bag.a[2].b), gone = column_ifexists('gone', long(null)) | project-away bag"
    own_kernel.ok(f"%kql back << --conn local_la {query}")
    same = (
        "back | where TimeGenerated == datetime(2026-03-01T01:02:03.1234567Z) and user == 'ann \"the é\"\\n' "
        "and n == 9007199254740993 and inner == '1' and isnull(gone) and part == 0.1 + 0.2 and yes"
    )
    assert own_kernel.count(same) == 1
    own_kernel.ok("%kql bags << --conn local_la Written_CL | project bag")
    assert own_kernel.count("bags | where tostring(bag.a[0]) == \"it's\"") == 1, "a dynamic stays one in a frame"
    assert own_kernel.value('kql("Written_CL").on("local_la").run()?.height()') == "1"


def test_writing_to_a_service_needs_a_yes_and_shows_what_changes(own_kernel: Kernel, served: Served) -> None:
    own_kernel.ok(HITS)
    refused = own_kernel.fails("%la_write hits Written --conn local_la", "LaWriteError").error_text
    assert "Nothing was written" in refused and "--yes" in refused and "+ n: long" in refused
    assert "dry run" in own_kernel.ok("%la_write hits Written --conn local_la --dry-run").text
    own_kernel.ok("%la_write hits Written --conn local_la --yes")
    own_kernel.ok("%connect local_la")
    own_kernel.ok('%kql other << --conn local:// print n = "text", more = 1')
    different = own_kernel.fails("%la_write other Written --conn local_la --yes", "LaWriteError").error_text
    assert "! n: string, the table has long" in different and "+ more: long, new" in different
    assert own_kernel.value("%kql --conn local_la Written_CL | count").split()[-1] == "1"


def test_the_data_collector_signs_its_posts(own_kernel: Kernel, served: Served) -> None:
    written = write(own_kernel, "--legacy --yes")
    assert "1 of 1 rows accepted" in written and "support" in written
    shown = own_kernel.value("%kql --conn local_la Written_CL | project user_s, n_d").split()
    assert "ann" in shown


def test_kusto_answers_the_same(own_kernel: Kernel, served: Served) -> None:
    write(own_kernel)
    assert "connected to local_kusto" in own_kernel.ok("%connect local_kusto").text
    assert own_kernel.value("%kql Written_CL | summarize m = max(n)").split()[-1] == "9007199254740993"
    assert "Written_CL" in own_kernel.ok("%kql .show tables").text
    host = served.about["url"].split("//")[1]
    assert own_kernel.value(f"%kql hunt@{host} Written_CL | count").split()[-1] == "1"
    string = f"adx://cluster='{served.about['url']}';database='hunt';appkey='{Path(served.about['token_file']).read_text()}'"
    assert own_kernel.value(f"%kql {string} Written_CL | count").split()[-1] == "1"


@pytest.mark.parametrize("name", ["local_la", "local_kusto"])
def test_a_mistake_has_a_caret_where_the_service_says(own_kernel: Kernel, served: Served, name: str) -> None:
    write(own_kernel)
    error = own_kernel.fails(f"%%kql --conn {name}\nWritten_CL\n| where nobody == 1", "KqlError").error_text
    assert "line 2, column 9" in error and "nobody" in error and "^" in error
    lines = error.splitlines()
    caret = next(line for line in lines if line.strip().startswith("|") and "^" in line)
    query = lines[lines.index(caret) - 1]
    assert query[caret.index("^") :].startswith("nobody"), error


def test_values_are_literals_whatever_is_in_them(own_kernel: Kernel, served: Served) -> None:
    write(own_kernel)
    own_kernel.ok('let who = "ann \\"the é\\"\\n".to_string();\nlet least = 5;\nlet hostile = "x\\" or 1 == 1 //".to_string();')
    count = "%kql --conn local_la Written_CL | where user == ${who} and n > ${least} | count"
    assert own_kernel.value(count).split()[-1] == "1"
    assert own_kernel.value("%kql --conn local_la let w = who; Written_CL | where user == w | count").split()[-1] == "1"
    assert own_kernel.value("%kql --conn local_la Written_CL | where user == ${hostile} | count").split()[-1] == "0"
    own_kernel.ok('let text = "Written_CL | where n > least_wanted | count".replace("least_wanted", "${least}");')
    assert own_kernel.value("%kql --conn local_la --query text").split()[-1] == "1"
    own_kernel.ok("%kql small << print least = 1")
    assert "`small`" in own_kernel.fails("%kql --conn local_la Written_CL | join small on n", "FrameError").error_text


def test_frames_are_asked_here_whatever_is_connected(own_kernel: Kernel, served: Served) -> None:
    write(own_kernel)
    own_kernel.ok("%connect local_la")
    assert own_kernel.count("hits") == 1
    assert "request" not in own_kernel.ok("%kql hits | project n").text


def test_an_answer_that_is_not_whole_is_an_error_or_loud(own_kernel: Kernel, scripted: Scripted) -> None:
    own_kernel.ok(f"%connect {scripted.connection}")
    range_of_a_day = "--from 2026-03-01 --to 2026-03-02"
    error = own_kernel.fails(f"%kql kept << {range_of_a_day} --split off Big", "PartialResult").error_text
    assert "exceed the set limit" in error and "--partial" in error
    assert "kept" not in own_kernel.ok("%frames").text
    loud = own_kernel.ok(f"%kql {range_of_a_day} --split off --partial warn Big")
    assert "PARTIAL RESULT" in loud.text and "· PARTIAL" in loud.text
    refused = own_kernel.fails(f"%kql {range_of_a_day} Big | summarize count()", "PartialResult").error_text
    assert "`summarize`" in refused


def test_a_large_answer_is_asked_in_slices_and_each_row_comes_once(own_kernel: Kernel, scripted: Scripted) -> None:
    own_kernel.ok(f"%connect {scripted.connection}")
    shown = own_kernel.ok("%kql all << --from 2026-03-01 --to 2026-03-02 --parallel 3 Big | extend m = n").text
    assert re.search(r"split (1[6-9]|2\d|3[0-2])", shown), shown
    assert own_kernel.count("all") == 1440
    assert own_kernel.count("all | distinct n") == 1440
    assert own_kernel.count("all | where n == 1439 or n == 0") == 2


def test_hours_that_are_asked_for_are_marked(own_kernel: Kernel, scripted: Scripted) -> None:
    own_kernel.ok(f"%connect {scripted.connection}")
    own_kernel.ok("%kql hours << --from 2026-03-01 --to 2026-03-01T03:00Z --split 1h Big")
    assert own_kernel.value("%kql hours | summarize n = count() by _slice | summarize max(n), count()").split()[-2:] == ["60", "3"]


def test_an_interrupt_ends_the_request(own_kernel: Kernel, scripted: Scripted) -> None:
    own_kernel.ok(f"%connect {scripted.connection}")
    request = own_kernel.send("%kql Hang")
    wait_until(lambda: any(body["query"] == "Hang" for body in scripted.asked), "the service has the query")
    own_kernel.interrupt()
    assert own_kernel.outcome(request).error["ename"] == "Interrupted"
    wait_until(lambda: scripted.left == 1, "the service sees that nobody waits")
    assert "yes" in own_kernel.ok("%kql print 1").text


def test_a_busy_service_is_waited_for_as_it_asks(own_kernel: Kernel, scripted: Scripted) -> None:
    own_kernel.ok(f"%connect {scripted.connection}")
    scripted.busy = 1
    began = time.monotonic()
    assert "yes" in own_kernel.ok("%kql Busy").text
    assert time.monotonic() - began >= 1
    assert sum(body["query"] == "Busy" for body in scripted.asked) == 2


def test_after_a_failure_no_old_result_is_there(own_kernel: Kernel, scripted: Scripted) -> None:
    own_kernel.ok(f"%connect {scripted.connection}")
    own_kernel.ok("%kql print 1")
    assert own_kernel.value("%kql @local _ | count").split()[-1] == "1"
    error = own_kernel.fails("%%kql\nprint 1\n\nprint mistake", "KqlError").error_text
    assert "column 7" in error and "req-77" in error and "a cell of its own" in error
    own_kernel.fails("%kql @local _ | count", "KqlError")


def test_kept_answers_are_replayed_and_queried(own_kernel: Kernel, scripted: Scripted) -> None:
    own_kernel.ok(f"%connect {scripted.connection}")
    query = "--from 2026-03-01 --to 2026-03-01T01:00Z Big"
    own_kernel.ok(f"%kql --cache hour {query}")
    asked = len(scripted.asked)
    again = own_kernel.ok(f"%kql --cache hour {query}").text
    assert "cached" in again and "61 rows" in again and len(scripted.asked) == asked
    own_kernel.ok(f"%kql --cache hour --ttl 0s {query}")
    assert len(scripted.asked) == asked + 1
    asked = len(scripted.asked)
    assert "61 rows" in own_kernel.ok(f"%kql --replay hour {query}").text
    assert "hour" in own_kernel.fails("%kql --replay hour Big | take 1", "CacheError").error_text
    assert own_kernel.value("%kql @local hour | where n >= 30 | count").split()[-1] == "31"
    assert "61 rows" in own_kernel.ok("%kql --cache-list").text
    assert len(scripted.asked) == asked, "nobody was asked"


def test_several_places_at_once(own_kernel: Kernel, scripted: Scripted) -> None:
    own_kernel.ok(f"%connect {scripted.connection}")
    other = "22222222-2222-3333-4444-555555555555"
    own_kernel.ok(f"%kql both << --across scripted,{other} --from 2026-03-01 --to 2026-03-01T00:30Z Big")
    assert own_kernel.value("%kql both | summarize n = count() by _workspace | summarize count(), min(n)").split()[-2:] == ["2", "31"]


def test_a_query_of_a_rule(own_kernel: Kernel, workspace: Path, scripted: Scripted) -> None:
    own_kernel.ok(f"%connect {scripted.connection}")
    folder = workspace.parent / "queries"
    folder.mkdir()
    (folder / "rule.yaml").write_text("name: Minutes\nqueryPeriod: 1h\nquery: |\n  Big\n  | where n > 1\n")
    (folder / "hosts.yaml").write_text(
        "metadata:\n  data_families: [Hosts]\nsources:\n  of:\n    description: Rows of a host\n    args:\n"
        "      query: 'Big | where TimeGenerated > datetime({start}) | where h == \"{host}\"'\n"
        "    parameters:\n      host: {type: str}\n      start: {type: datetime}\n"
    )
    assert "Minutes" in own_kernel.ok("%kql --list").text and "Rows of a host" in own_kernel.ok("%kql --list host").text
    assert "where n > 1" in own_kernel.ok("%kql --run Minutes --print").text
    shown = own_kernel.ok("%kql --run Hosts.of --print --from 2026-03-01 host='a\"b'").text
    assert 'h == "a\\"b"' in shown and "2026-03-01T00:00:00" in shown
    assert "`host`" in own_kernel.fails("%kql --run Hosts.of --print --from 2026-03-01").error_text


def test_no_secret_is_ever_shown(own_kernel: Kernel, scripted: Scripted, workspace: Path) -> None:
    (workspace.parent / "huntbook.toml").write_text(f'[connections.x]\nkind = "kusto"\nclient_secret = "{PLANTED}"\n')
    (workspace.parent / "huntbook.toml").chmod(0o600)
    said = [own_kernel.ok(f"%connect {scripted.connection}").text, own_kernel.ok("%connect").text]
    for cell in [
        f"%connect loganalytics://workspace='x';clientsecret='{PLANTED}",
        f"%connect loganalytics://workspace='x';secretkey='{PLANTED}'",
        f"%connect loganalytics://workspace='not a guid';clientsecret='{PLANTED}';tenant='t';clientid='c'",
        f"%kql loganalytics://workspace='{WORKSPACE}';datasourceurl='https://127.0.0.1:1';appkey='{PLANTED}' T",
        f"%kql --conn 'kusto://cluster=1;token={PLANTED} T",
        "%connect x",
    ]:
        said.append(own_kernel.fails(cell).error_text)
    assert PLANTED not in "\n".join(said)
    assert scripted.asked[0]["headers"]["x-api-key"] == PLANTED, "the service did get it"


def completions(kernel: Kernel, code: str) -> list[str]:
    return kernel.ask(kernel.client.complete(code, len(code)))["matches"]


def test_completion_knows_options_connections_and_the_remote_schema(own_kernel: Kernel, scripted: Scripted, served: Served) -> None:
    assert completions(own_kernel, "%kql --time") == ["--time-column", "--timeout"]
    assert completions(own_kernel, "%kql --partial ") == ["error", "warn", "ok"]
    assert sorted(completions(own_kernel, "%la_write hits T --conn local_")) == ["local_kusto", "local_la"]
    assert completions(own_kernel, "%connect local_k") == ["local_kusto"]
    assert "Big" not in completions(own_kernel, "%kql B")
    own_kernel.ok(f"%connect {scripted.connection}")
    assert "Big" in completions(own_kernel, "%kql B")
    assert "TimeGenerated" in completions(own_kernel, "%kql Big | where Ti")


def test_folders_and_ranges_of_this_machine(own_kernel: Kernel, workspace: Path) -> None:
    folder = workspace.parent / "exports"
    folder.mkdir()
    (folder / "events.jsonl").write_text('{"TimeGenerated": "2026-03-01T00:00:00Z", "n": 1}\n{"TimeGenerated": "2026-03-02T00:00:00Z", "n": 2}\n')
    assert own_kernel.value("%kql file://exports events | count").split()[-1] == "2"
    assert own_kernel.value("%kql file://exports --from 2026-03-02 --to 2026-03-03 events | count").split()[-1] == "1"
    assert "events" in own_kernel.ok("%kql file://exports --schema").text
    assert "nowhere" in own_kernel.fails("%kql file://nowhere T").error_text


def test_what_kqlmagic_notebooks_begin_with(own_kernel: Kernel) -> None:
    assert "part of this kernel" in own_kernel.ok("%reload_ext Kqlmagic").text
    shown = own_kernel.ok("%kql -pn Blues -tp pandas print a = 7").text
    assert "does nothing" in shown and "7" in shown
    assert "--last" in own_kernel.ok('%kql --help "conn"').text


@pytest.fixture
def duckdb_kql(tmp_path: Path) -> Iterator[str]:
    program = shutil.which("duckdb-kql", path=os.pathsep.join([str(Path(os.sys.executable).parent), os.environ["PATH"]]))
    if program is None:
        pytest.skip("duckdb-kql is not installed")
    script = tmp_path / "init.sql"
    script.write_text("CREATE TABLE Logins AS SELECT * FROM (VALUES ('ann', 3, TIMESTAMP '2026-03-01 00:00:00')) t(who, n, seen);")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([program, "serve", "-p", str(port), "--init", str(script)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def answers() -> bool:
        assert process.poll() is None, process.stdout.read()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_until(answers, "duckdb-kql listens")
    yield f"kusto://cluster='http://127.0.0.1:{port}';database='memory';anonymous;alias='duck'"
    process.terminate()
    process.wait(SOON)


def test_another_kusto_server_answers(own_kernel: Kernel, duckdb_kql: str) -> None:
    assert "connected to duck" in own_kernel.ok(f"%connect {duckdb_kql}").text
    own_kernel.ok("%kql found << Logins | where n > 1 | project who, n, seen")
    assert own_kernel.count("found | where who == 'ann' and n == 3 and seen == datetime(2026-03-01)") == 1
