"""`%blob` against Azurite, the emulator of Azure Storage, and against servers that behave badly."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from harness import Kernel

VERSION = "azurite@3.35.0"
ACCOUNT = "devstoreaccount1"
# The emulator's documented key.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
WRONG_KEY = base64.b64encode(b"not the key of this account at all!").decode()
WORKSPACE = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/RG/providers/Microsoft.OperationalInsights/workspaces/Hunt"
FOLDER = f"WorkspaceResourceId={WORKSPACE.lower()}"


def sas(permissions: str = "rwdlacup", expires_in: timedelta = timedelta(hours=1)) -> str:
    """An account shared access signature, as the service's documentation builds it."""
    expiry = (datetime.now(timezone.utc) + expires_in).strftime("%Y-%m-%dT%H:%M:%SZ")
    start = "2020-01-01T00:00:00Z"
    signed = "\n".join([ACCOUNT, permissions, "b", "sco", start, expiry, "", "https,http", "2019-12-12", ""])
    signature = base64.b64encode(hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256).digest()).decode()
    fields = {"sv": "2019-12-12", "ss": "b", "srt": "sco", "sp": permissions, "st": start, "se": expiry, "spr": "https,http", "sig": signature}
    return urllib.parse.urlencode(fields)


class Azurite:
    """A running emulator, and a way to it that is not ours."""

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
        self.sas = sas()

    @property
    def connection_string(self) -> str:
        return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={self.endpoint};"

    def ask(self, method: str, path: str, body: bytes | None = None, query: str = "", **headers: str) -> bytes:
        url = f"{self.endpoint}/{urllib.parse.quote(path)}?{self.sas}{'&' + query if query else ''}"
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(url, data=body, method=method, headers={"x-ms-version": "2021-12-02", **names})
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.read()

    def container(self, name: str, public: bool = False) -> str:
        headers = {"x_ms_blob_public_access": "container"} if public else {}
        self.ask("PUT", name, b"", "restype=container", **headers)
        return name

    def put(self, path: str, body: bytes) -> None:
        self.ask("PUT", path, body, x_ms_blob_type="BlockBlob", Content_Type="application/octet-stream")

    def get(self, path: str) -> bytes:
        return self.ask("GET", path)

    def names(self, container: str, uncommitted: bool = False) -> list[str]:
        query = "restype=container&comp=list" + ("&include=uncommittedblobs" if uncommitted else "")
        tree = ElementTree.fromstring(self.ask("GET", container, query=query))
        return [name.text or "" for name in tree.iter("Name")]


def installed() -> Path:
    """Azurite's blob server, from npm; beside the tests' own environment, so that it goes with the build."""
    folder = Path(os.environ.get("HUNTBOOK_CACHE", "/tmp/huntbook-tests/cache")).parent / "azurite"
    program = folder / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    if not program.exists():
        npm = shutil.which("npm")
        if npm is None:
            missing("npm is not installed")
        folder.mkdir(parents=True, exist_ok=True)
        made = subprocess.run([npm, "install", "--silent", "--no-audit", "--no-fund", VERSION], cwd=folder, capture_output=True, text=True)
        if made.returncode != 0:
            missing(f"npm cannot install {VERSION}: {made.stderr.strip()[-500:]}")
    return program


def missing(why: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    program = installed()
    folder, port = tmp_path_factory.mktemp("azurite"), free_port()
    options = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder)]
    options += ["--disableTelemetry", "--skipApiVersionCheck", "--silent"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["node", str(program), *options], stdout=log, stderr=log)
    server = Azurite(port)
    try:
        give_up = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < give_up, "Azurite did not start"
                time.sleep(0.1)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture(scope="module")
def environment(azurite: Azurite) -> dict[str, str]:
    """What the kernel finds there; other credentials have names for `--connection env:NAME`."""
    expired = sas(expires_in=timedelta(hours=-1))
    return {
        "AZURE_STORAGE_CONNECTION_STRING": azurite.connection_string,
        "BY_SAS": f"BlobEndpoint={azurite.endpoint};AccountName={ACCOUNT};SharedAccessSignature={azurite.sas}",
        "WRONG": azurite.connection_string.replace(KEY, WRONG_KEY),
        "EXPIRED": f"BlobEndpoint={azurite.endpoint};AccountName={ACCOUNT};SharedAccessSignature={expired}",
        "READ_ONLY": f"BlobEndpoint={azurite.endpoint};AccountName={ACCOUNT};SharedAccessSignature={sas('rl')}",
    }


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The notebook's folder."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def kernel(home: Path, environment: dict[str, str]) -> Iterator[Kernel]:
    workspace = home / "workspace"
    workspace.mkdir()
    started = Kernel(workspace, env={**environment, "XDG_CACHE_HOME": str(home / "cache"), "HUNTBOOK_CACHE": os.environ.get("HUNTBOOK_CACHE", "")})
    yield started
    started.shut_down()


def lines(*rows: dict[str, object]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def event(time_generated: str, event_id: int = 4624, account: str = "CORP\\ann") -> dict[str, object]:
    return {"TimeGenerated": time_generated, "EventID": event_id, "Account": account, "Nested": {"EventID": 1}}


def test_the_commands_in_order(kernel: Kernel, azurite: Azurite, home: Path) -> None:
    (home / "ids.csv").write_text("id,name\n1,ann\n2,bob\n")
    kernel.ok("%blob make az://orders")
    assert "1 file(s)" in kernel.ok("%blob put ids.csv az://orders/in/ids.csv").text
    assert azurite.get("orders/in/ids.csv") == (home / "ids.csv").read_bytes()
    assert "--overwrite" in kernel.fails("%blob put ids.csv az://orders/in/ids.csv", "BlobError").error_text
    kernel.ok("%blob put ids.csv az://orders/in/ids.csv --overwrite")
    assert "in/" in kernel.ok("%blob ls az://orders").text
    assert "orders/" in kernel.ok("%blob ls").text
    long = kernel.ok("%blob ls az://orders --recursive --long").text
    assert "in/ids.csv" in long and str(len("id,name\n1,ann\n2,bob\n")) in long and "0x" in long
    assert "in/ids.csv" in kernel.ok("%blob ls az://orders --glob '*/*.csv'").text
    assert kernel.ok("%blob head az://orders/in/ids.csv -n 1").text.strip() == "id,name"
    assert "2,bob" in kernel.ok("%blob cat az://orders/in/ids.csv").text
    kernel.ok("%blob get az://orders/in/ids.csv copy.csv")
    assert (home / "copy.csv").read_bytes() == (home / "ids.csv").read_bytes()
    assert "exists" in kernel.fails("%blob get az://orders/in/ids.csv copy.csv").error_text
    kernel.ok("%blob ids << read az://orders/in/ids.csv")
    assert kernel.count("ids | where name == 'bob' and id == 2") == 1
    refused = kernel.fails("%blob rm az://orders/in/ids.csv", "BlobError").error_text
    assert "--yes" in refused and azurite.names("orders") == ["in/ids.csv"]
    kernel.ok("%blob rm az://orders/in/ids.csv --yes")
    assert azurite.names("orders") == []


def test_a_folder_goes_there_and_back(kernel: Kernel, azurite: Azurite, home: Path) -> None:
    azurite.container("folders")
    for name in ("a.jsonl", "x/b.jsonl"):
        path = home / "many" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(lines({"from": name}))
    kernel.ok("%blob put many az://folders/up")
    assert sorted(azurite.names("folders")) == ["up/a.jsonl", "up/x/b.jsonl"]
    kernel.ok("%blob get az://folders/up back")
    assert (home / "back" / "x" / "b.jsonl").read_bytes() == lines({"from": "x/b.jsonl"})
    kernel.ok("%blob both << read az://folders/up")
    assert kernel.count("both") == 2
    assert "--recursive" in kernel.fails("%blob rm az://folders/up --yes").error_text
    kernel.ok("%blob rm az://folders/up --recursive --yes")
    assert azurite.names("folders") == []


@pytest.mark.parametrize("ending", ["parquet", "jsonl", "csv", "tsv"])
def test_a_frame_is_written_and_read_again(kernel: Kernel, azurite: Azurite, ending: str) -> None:
    container = azurite.container(f"written-{ending}")
    kernel.ok('%kql made << datatable(t:datetime, n:long, s:string)[datetime(2024-11-20 01:02:03), 7, "a,\\tb\\"\'é", datetime(2024-11-21), 8, "x"]')
    kernel.ok(f"%blob write made az://{container}/made.{ending}")
    kernel.ok(f"%blob again << read az://{container}/made.{ending}")
    assert kernel.count("again | where t == datetime(2024-11-20 01:02:03) and n == 7 and s == 'a,\\tb\"\\'é'") == 1
    assert kernel.count("again") == 2
    assert "exists" in kernel.fails(f"%blob write made az://{container}/made.{ending}").error_text


def test_partitions(kernel: Kernel, azurite: Azurite) -> None:
    azurite.container("parts")
    kernel.ok('%kql made << datatable(day:string, n:long)["../x", 1, "b", 2, "b", 3]')
    kernel.ok("%blob write made az://parts/t --partition-by day")
    assert sorted(azurite.names("parts")) == ["t/day=..%2Fx/part-0.parquet", "t/day=b/part-0.parquet"]
    kernel.ok("%blob again << read az://parts/t")
    assert kernel.count("again | where n > 1 and day == 'b'") == 2


def test_every_way_to_sign_in(kernel: Kernel, azurite: Azurite, home: Path) -> None:
    azurite.container("private")
    azurite.put("private/x.jsonl", lines({"n": 1}))
    azurite.container("open", public=True)
    azurite.put("open/x.jsonl", lines({"n": 1}))
    (home / "connection").write_text(azurite.connection_string)
    (home / "connection").chmod(0o600)
    (home / "huntbook.toml").write_text('[stores.exports]\nconnection_string = "file:connection"\ncontainer = "private"\n')
    ways = [
        "az://private/x.jsonl",
        "az://private/x.jsonl --connection env:BY_SAS",
        "az://private/x.jsonl --connection file:connection",
        "az://private/x.jsonl --store exports",
        "blob://exports/x.jsonl",
        f"{azurite.endpoint}/private/x.jsonl",
        f"'{azurite.endpoint}/private/x.jsonl?{azurite.sas}'",
        f"{azurite.endpoint}/open/x.jsonl --anonymous",
    ]
    for way in ways:
        kernel.ok(f"%blob found << read {way}")
        assert kernel.count("found") == 1, way
    (home / "huntbook.toml").unlink()


def test_who_is_refused_is_told_why_and_sees_no_secret(kernel: Kernel, azurite: Azurite) -> None:
    azurite.container("guarded")
    azurite.put("guarded/x.jsonl", lines({"n": 1}))
    refusals = [
        ("%blob read az://guarded/x.jsonl --connection env:WRONG", "the service answered 403"),
        ("%blob ls az://guarded --connection env:EXPIRED", "expired"),
        ("%blob make az://another --connection env:READ_ONLY", "Authorization"),
        (f"%blob read {azurite.endpoint}/guarded/x.jsonl --anonymous", "cannot"),
        ("%blob ls az://no-such-container", "ContainerNotFound"),
        ("%blob read az://guarded/nothing.jsonl", "nothing.jsonl"),
        ("%blob read az://guarded/x.jsonl --connection env:NO_SUCH_VARIABLE", "NO_SUCH_VARIABLE"),
        (f"%blob read az://guarded/x.jsonl --connection '{azurite.connection_string}'", "env:NAME"),
        ("%blob read az://Guarded/x.jsonl", "`guarded`"),
    ]
    for code, wanted in refusals:
        text = kernel.fails(code).error_text
        assert wanted in text, text
        signature = urllib.parse.parse_qs(azurite.sas)["sig"][0]
        for secret in (KEY, WRONG_KEY, signature, urllib.parse.quote(signature, safe="")):
            assert secret not in text, code


def test_a_credential_goes_to_no_stranger(kernel: Kernel) -> None:
    assert "http" in kernel.fails("%blob read http://example.com/c/x.jsonl").error_text
    assert "169.254.169.254" in kernel.fails("%blob read https://169.254.169.254/c/x.jsonl").error_text


def test_a_big_file_goes_in_blocks(kernel: Kernel, azurite: Azurite, home: Path) -> None:
    azurite.container("big")
    block = hashlib.sha512(b"huntbook").digest()
    content = b"".join(hashlib.sha512(block + number.to_bytes(4, "big")).digest() for number in range(330_000))
    (home / "big.bin").write_bytes(content)
    assert len(content) > 12 << 20
    kernel.ok("%blob put big.bin az://big/big.bin")
    assert azurite.get("big/big.bin") == content
    kernel.ok("%blob get az://big/big.bin big.copy")
    assert (home / "big.copy").read_bytes() == content


def test_a_killed_upload_leaves_nothing(start_kernel: Callable[..., Kernel], azurite: Azurite, environment: dict[str, str], tmp_path: Path) -> None:
    azurite.container("killed")
    with (tmp_path / "huge.bin").open("wb") as file:
        file.truncate(1 << 30)
    kernel = start_kernel(env=environment)
    kernel.send("%blob put huge.bin az://killed/huge.bin")
    give_up = time.monotonic() + 120
    while not azurite.names("killed", uncommitted=True):
        assert time.monotonic() < give_up, "no block was seen"
        time.sleep(0.05)
    for process in reversed(kernel.tree()):
        process.kill()
    time.sleep(1)
    assert azurite.names("killed") == []


def test_five_thousand_blobs_are_all_listed(kernel: Kernel, azurite: Azurite) -> None:
    azurite.container("many")
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: azurite.put(f"many/d{number % 7}/{number:05}.jsonl", b'{"n":%d}\n' % number), range(5001)))
    listed = kernel.ok("%blob ls az://many --recursive").text.splitlines()
    assert len(listed) == 5001
    assert len(kernel.ok("%blob ls az://many").text.splitlines()) == 7
    kernel.ok("%blob every << read az://many")
    assert kernel.value("%kql every | summarize count(), sum(n)").split()[-2:] == ["5001", str(sum(range(5001)))]


def test_names_with_empty_parts(kernel: Kernel, azurite: Azurite) -> None:
    azurite.container("odd")
    for name in ("a//b.jsonl", "a/c d+é%20&.jsonl", "a/plain.jsonl"):
        azurite.put(f"odd/{name}", lines({"name": name}))
    listed = kernel.ok("%blob ls az://odd --recursive").text
    assert "a//b.jsonl" in listed and "a/c d+é%20&.jsonl" in listed
    kernel.ok("%blob odd << read az://odd/a")
    assert kernel.count("odd") == 3
    kernel.ok("%blob one << read az://odd/a//b.jsonl")
    assert kernel.count("one") == 1
    assert "cannot be the name of a file here" in kernel.fails("%blob get az://odd/a out").error_text


def test_files_that_are_not_whole(kernel: Kernel, azurite: Azurite) -> None:
    azurite.container("broken")
    packed = gzip.compress(lines(*({"n": number} for number in range(50_000))))
    azurite.put("broken/whole.jsonl.gz", packed)
    azurite.put("broken/cut.jsonl.gz", packed[:-100])
    kernel.ok("%blob whole << read az://broken/whole.jsonl.gz")
    assert kernel.count("whole") == 50_000
    text = kernel.fails("%blob cut << read az://broken/cut.jsonl.gz", "BlobError").error_text
    assert "cut.jsonl.gz" in text and "cut short" in text
    assert "KqlError" in kernel.fails("%kql cut | count").error_text, "nothing of it was kept"


def test_bad_lines(kernel: Kernel, azurite: Azurite, home: Path) -> None:
    azurite.container("lines")
    content = lines({"n": 1}) + b'{"n":2\n' + lines({"n": 3}) + b'{"n":"\xff\xfe"}\n' + lines({"n": 5})
    azurite.put("lines/x.jsonl", content)
    text = kernel.fails("%blob bad << read az://lines/x.jsonl").error_text
    assert "lines/x.jsonl, line 2" in text and "--bad-lines" in text
    shown = kernel.ok("%blob good << read az://lines/x.jsonl --bad-lines skip").text
    assert "2 bad line(s)" in shown and "line 2" in shown and "line 4" in shown and "UTF-8" in shown
    assert kernel.count("good | where n in (1, 3, 5)") == 3
    shown = kernel.ok("%blob good << read az://lines/x.jsonl --bad-lines quarantine").text
    (kept,) = home.glob("bad-lines-*.jsonl")
    assert kept.name in shown
    records = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [record["line"] for record in records] == [2, 4] and records[0]["text"] == '{"n":2'


def test_columns_conditions_and_types(kernel: Kernel, azurite: Azurite) -> None:
    azurite.container("typed")
    rows = [event(f"2024-11-20T00:00:{second:02}.1234567Z", 4624 if second % 2 else 4688) for second in range(60)]
    azurite.put("typed/a.jsonl", lines(*rows))
    azurite.put("typed/b.jsonl.gz", gzip.compress(lines(event("2024-11-21T00:00:00Z", 4624, "bob"))))
    kernel.ok("%blob few << read az://typed --where \"EventID == 4624 and Account has 'ann'\" --columns TimeGenerated,Account")
    assert kernel.count("few") == 30
    assert kernel.value("%kql few | getschema | project ColumnName, ColumnType").split()[-4:] == ["TimeGenerated", "datetime", "Account", "string"]
    kernel.ok("%blob typed << read az://typed --schema 'EventID:string, TimeGenerated:datetime, Missing:real'")
    assert kernel.count("typed | where EventID == '4624' and isnull(Missing)") == 31
    assert "is no int" in kernel.fails("%blob x << read az://typed --schema 'Account:int'").error_text
    assert "Accont" in kernel.fails("%blob x << read az://typed --where \"Accont == 'x'\"").error_text
    assert "--memory" in kernel.fails("%blob x << read az://typed --memory 1KB").error_text


def test_an_export_is_read_by_time(kernel: Kernel, azurite: Azurite) -> None:
    azurite.container("am-securityevent")
    at = "am-securityevent/" + FOLDER
    azurite.put(f"{at}/y=2024/m=11/d=20/h=01/m=00/PT05M.json", lines(event("2024-11-20T00:59:59.9Z"), event("2024-11-20T01:00:00Z"), event("2024-11-20T01:04:59.9999999Z")))
    azurite.put(f"{at}/y=2024/m=11/d=20/h=01/m=00/PT05M_1.json", lines(event("2024-11-20T01:03:00Z", 4688)))
    azurite.put(f"{at}/y=2024/m=11/d=20/h=3/m=5/part-0001.json", lines(event("2024-11-20T03:06:00Z")))
    azurite.put(f"{at}/y=2024/m=11/d=20/h=3/m=5/_SUCCESS", b"")
    azurite.put(f"{at}/y=2024/m=11/d=21/h=00/m=00/PT05M.json", lines(event("2024-11-21T00:01:00Z")))
    # Nothing of this may be read: another day.
    azurite.put(f"{at}/y=2024/m=12/d=20/h=01/m=00/PT05M.json", b"this is not JSON\n")
    read = "%blob rows << read --export SecurityEvent --from 2024-11-20T01:00:00Z --to 2024-11-20T05:00:00Z"
    shown = kernel.ok(read).text
    assert kernel.count("rows") == 4
    assert "2 hour(s) have no file: 2024-11-20 02:00 to 2024-11-20 03:00, 2024-11-20 04:00 to 2024-11-20 05:00" in shown
    assert "3 files" in shown
    kernel.ok(f"{read} --workspace {WORKSPACE} --where 'EventID == 4688'")
    assert kernel.count("rows") == 1
    kernel.ok("%blob rows << read --export SecurityEvent --workspace hunt --from 2024-11-20 --to 2024-11-22 --columns Account")
    assert kernel.count("rows") == 6
    assert "other" in kernel.fails(f"{read} --workspace other").error_text
    assert "ContainerNotFound" in kernel.fails("%blob x << read --export Syslog --from 7d").error_text


def test_an_export_is_written_as_the_service_does(kernel: Kernel, azurite: Azurite) -> None:
    azurite.container("am-mine_cl".replace("_", "-"))
    kernel.ok('%kql made << datatable(TimeGenerated:datetime, n:long)[datetime(2024-11-20 23:59:59), 1, datetime(2024-11-20 23:55:00), 2, datetime(2024-11-21), 3]')
    kernel.ok(f"%blob write made az://am-mine-cl --export Mine_CL --workspace {WORKSPACE}")
    assert sorted(azurite.names("am-mine-cl")) == [
        f"{FOLDER}/y=2024/m=11/d=20/h=23/m=55/PT05M.json",
        f"{FOLDER}/y=2024/m=11/d=21/h=00/m=00/PT05M.json",
    ]
    kernel.ok("%blob again << read az://am-mine-cl --export Mine_CL --from 2024-11-20 --to 2024-11-21")
    assert kernel.count("again | where n in (1, 2)") == 2 and kernel.count("again") == 2


def test_what_changed_is_read_anew_and_what_did_not_is_kept(kernel: Kernel, azurite: Azurite) -> None:
    azurite.container("cached")
    azurite.put("cached/x.jsonl", lines({"n": 1}))
    for _ in range(2):
        kernel.ok("%blob x << read az://cached/x.jsonl --cache")
        assert kernel.count("x | where n == 1") == 1
    azurite.put("cached/x.jsonl", lines({"n": 2}))
    kernel.ok("%blob x << read az://cached/x.jsonl --cache")
    assert kernel.count("x | where n == 2") == 1


def serve(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[tuple[str, list[str]]]:
    """A server that gives one answer to everything; its address, and the paths that it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            asked.append(f"{self.command} {self.path} {self.headers.get('Authorization')}")
            answer(self)

        do_GET = do_HEAD = do_PUT = handle_any

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "0")
        request.end_headers()

    yield from serve(answer)


def test_a_redirect_is_not_followed(start_kernel: Callable[..., Kernel], elsewhere: tuple[str, list[str]]) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", f"{elsewhere[0]}/stolen")
        request.send_header("Content-Length", "0")
        request.end_headers()

    for address, asked in serve(answer):
        string = f"AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={address}/{ACCOUNT}"
        kernel = start_kernel(env={"AZURE_STORAGE_CONNECTION_STRING": string})
        text = kernel.fails("%blob read az://some/x.jsonl", "BlobError").error_text
        assert "redirect" in text and asked
        assert elsewhere[1] == []


def test_an_interrupt_ends_a_wait(kernel: Kernel, azurite: Azurite) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        request = kernel.send(f"%blob read http://127.0.0.1:{port}/{ACCOUNT}/some/x.jsonl --anonymous")
        connection, _ = silent.accept()
        began = time.monotonic()
        kernel.interrupt()
        outcome = kernel.outcome(request)
        connection.close()
    assert outcome.status == "error" and time.monotonic() - began < 10
    assert "Interrupted" in outcome.error_text or "interrupted" in outcome.error_text
    kernel.ok("%blob ls")
