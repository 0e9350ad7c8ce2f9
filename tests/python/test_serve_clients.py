"""`huntbook serve` to the official clients, which are as they come from the package index."""

from __future__ import annotations

import io
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from azure.core.exceptions import HttpResponseError
from azure.kusto.data import ClientRequestProperties, DataFormat, KustoClient, KustoConnectionStringBuilder
from azure.kusto.data.exceptions import KustoApiError, KustoMultiApiError, KustoServiceError
from azure.kusto.data.helpers import dataframe_from_result_table
from azure.monitor.ingestion import LogsIngestionClient
from azure.monitor.query import LogsBatchQuery, LogsQueryClient, LogsQueryPartialResult, LogsQueryStatus

from workspace_server import Credential, Server

START = datetime(2026, 1, 2, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With ten rows in `Hours_CL`, an hour apart."""
    started = Server(tmp_path_factory.mktemp("serve"), "--auto-create", "--anonymous")
    rows = [{"TimeGenerated": f"2026-01-02T{hour:02}:30:00Z", "n": hour, "s": f"s{hour}"} for hour in range(10)]
    assert started.ingest("Custom-Hours", rows).status == 204
    yield started
    assert started.stop() == 0


@pytest.fixture
def logs(server: Server) -> Iterator[LogsQueryClient]:
    with LogsQueryClient(Credential(server.token), endpoint=server.url, retry_total=0) as client:
        yield client


@pytest.fixture
def kusto(server: Server) -> Iterator[KustoClient]:
    with KustoClient(KustoConnectionStringBuilder.with_aad_user_token_authentication(server.url, server.token)) as client:
        yield client


def query(client: LogsQueryClient, server: Server, text: str, timespan: object = None, **options: object) -> object:
    return client.query_workspace(server.workspace, text, timespan=timespan, enforce_https=False, **options)


def test_logs_query(logs: LogsQueryClient, server: Server) -> None:
    result = query(logs, server, "Hours_CL | where n < 2 | project TimeGenerated, n, s | sort by n asc")
    assert result.status == LogsQueryStatus.SUCCESS
    table = result.tables[0]
    assert (table.name, table.columns) == ("PrimaryResult", ["TimeGenerated", "n", "s"])
    assert [list(row) for row in table.rows][1] == [START + timedelta(hours=1, minutes=30), 1, "s1"]


def test_logs_timespans(logs: LogsQueryClient, server: Server) -> None:
    def count(timespan: object) -> int:
        return query(logs, server, "Hours_CL | count", timespan).tables[0].rows[0][0]

    assert count((START, START + timedelta(hours=3))) == 3
    assert count((START + timedelta(hours=8), timedelta(hours=9))) == 2
    assert count(timedelta(hours=1)) == 0
    assert count(None) == 10


def test_logs_statistics_and_visualization(logs: LogsQueryClient, server: Server) -> None:
    result = query(logs, server, "Hours_CL | summarize sum(n) | render piechart", include_statistics=True, include_visualization=True, server_timeout=60)
    assert result.statistics["query"]["executionTime"] >= 0
    assert result.visualization["visualization"] == "piechart"


def test_logs_partial_results(logs: LogsQueryClient, server: Server) -> None:
    result = query(logs, server, "range n from 1 to 500001 step 1")
    assert isinstance(result, LogsQueryPartialResult) and result.status == LogsQueryStatus.PARTIAL
    assert len(result.partial_data[0].rows) == 500_000
    assert result.partial_error.code == "PartialError"
    assert "exceed the set limit of 500000 records" in result.partial_error.message


def test_logs_errors(logs: LogsQueryClient, server: Server) -> None:
    with pytest.raises(HttpResponseError) as syntax:
        query(logs, server, "Hours_CL | invalid x")
    assert syntax.value.status_code == 400
    assert syntax.value.model.code == "BadArgumentError"
    assert syntax.value.model.message.startswith("Query could not be parsed at 'invalid' on line [1,11]")
    with pytest.raises(HttpResponseError) as semantic:
        query(logs, server, "Hours_CL | where X == 1")
    assert "Failed to resolve column or scalar expression named 'X'" in semantic.value.model.message
    stranger = LogsQueryClient(Credential("wrong"), endpoint=server.url, retry_total=0)
    with pytest.raises(HttpResponseError) as wrong:
        query(stranger, server, "print 1")
    assert wrong.value.status_code == 403 and "wrong" not in wrong.value.message.split("InvalidAuthenticationToken")[0]


def test_logs_resource_and_batch(logs: LogsQueryClient, server: Server) -> None:
    resource = "/subscriptions/s/resourceGroups/g/providers/Microsoft.OperationalInsights/workspaces/w"
    assert logs.query_resource(resource, "print 1", timespan=None, enforce_https=False).tables[0].rows[0][0] == 1
    queries = [LogsBatchQuery(server.workspace, text, timespan=None) for text in ("print 1", "nonsense x", "range n from 1 to 3 step 1")]
    first, second, third = logs.query_batch(queries, enforce_https=False)
    assert first.tables[0].rows[0][0] == 1 and len(third.tables[0].rows) == 3
    assert second.status == LogsQueryStatus.FAILURE and second.code == "BadArgumentError"


def test_ingestion(server: Server, logs: LogsQueryClient) -> None:
    rows = [{"TimeGenerated": "2026-01-02T03:04:05Z", "n": n, "text": f'é"{n}', "bag": {"a": [n, None]}} for n in range(30_000)]
    with LogsIngestionClient(server.url, Credential(server.token), retry_total=0) as client:
        client.upload(server.rule, "Custom-Uploaded_CL", rows, enforce_https=False)
        client.upload(server.rule, "Custom-Uploaded", io.BytesIO(b'[{"n": 30000}]'), enforce_https=False)
        failures: list[object] = []
        client.upload(server.rule, "Custom-Uploaded", [{"n": "many"}], on_error=failures.append, enforce_https=False)
        assert [failure.error.status_code for failure in failures] == [400]
        with pytest.raises(HttpResponseError) as unknown:
            client.upload("dcr-none", "Custom-Uploaded", [{"n": 1}], enforce_https=False)
        assert unknown.value.status_code == 404
    assert query(logs, server, "Uploaded_CL | summarize count(), sum(n), dcount(n)").tables[0].rows[0][:] == [30_001, 450_015_000, 30_001]
    assert query(logs, server, "Uploaded_CL | where n == 7 | project text, x = tolong(bag.a[0])").tables[0].rows[0][:] == ['é"7', 7]


def test_kusto_dataframe(kusto: KustoClient) -> None:
    response = kusto.execute("hunt", "Hours_CL | where n < 3 | project TimeGenerated, n, d = decimal(1.5), t = 1h, y = dynamic([1]) | sort by n asc")
    row = response.primary_results[0][1]
    assert (row["n"], row["d"], row["t"], row["y"]) == (1, Decimal("1.5"), timedelta(hours=1), [1])
    frame = dataframe_from_result_table(response.primary_results[0])
    assert list(frame["n"]) == [0, 1, 2]
    assert frame["TimeGenerated"][2].to_pydatetime() == START + timedelta(hours=2, minutes=30)
    assert response.errors_count == 0


def test_kusto_management(kusto: KustoClient) -> None:
    databases = kusto.execute_mgmt("NetDefaultDB", ".show databases").primary_results[0]
    assert [(row["DatabaseName"], row["PrettyName"]) for row in databases] == [("hunt", "hunt")]
    kusto.execute_mgmt("hunt", ".create-merge table Made (a: string, b: long, t: datetime)")
    kusto.execute_mgmt("hunt", ".ingest inline into table Made <| x,1,2026-01-02\n\"y,z\",2,")
    kusto.execute_streaming_ingest("hunt", "Made", io.BytesIO(b"w,3,\n"), DataFormat.CSV.kusto_value)
    rows = kusto.execute("hunt", "Made | sort by b asc").primary_results[0]
    assert [(row["a"], row["b"]) for row in rows] == [("x", 1), ("y,z", 2), ("w", 3)]
    schema = kusto.execute_mgmt("hunt", ".show table Made cslschema").primary_results[0][0]["Schema"]
    assert schema == "a:string,b:long,t:datetime"
    columns = {(row["TableName"], row["ColumnName"]) for row in kusto.execute_mgmt("hunt", ".show database ['hunt'] schema").primary_results[0]}
    assert ("Made", "b") in columns
    kusto.execute_mgmt("hunt", ".drop table Made ifexists")
    assert "Made" not in [row["TableName"] for row in kusto.execute_mgmt("hunt", ".show tables").primary_results[0]]
    for command in (".show tables details", ".show schema as json", ".show version", ".show functions", ".show cluster"):
        kusto.execute_mgmt("hunt", command)
    with pytest.raises(KustoApiError):
        kusto.execute_mgmt("hunt", ".alter table Made (a: string)")


def test_kusto_options_and_parameters(kusto: KustoClient) -> None:
    asked = ClientRequestProperties()
    asked.set_parameter("low", "7")
    asked.set_parameter("name", "s8'; drop")
    text = "declare query_parameters(low: long, name: string); Hours_CL | where n > low or s == name | count"
    assert kusto.execute("hunt", text, asked).primary_results[0][0][0] == 2
    asked = ClientRequestProperties()
    asked.set_option("query_take_max_records", 4)
    assert len(kusto.execute("hunt", "Hours_CL", asked).primary_results[0]) == 4
    asked = ClientRequestProperties()
    asked.set_option("query_datetimescope_column", "TimeGenerated")
    asked.set_option("query_datetimescope_from", "2026-01-02T08:00:00Z")
    assert kusto.execute("hunt", "Hours_CL | count", asked).primary_results[0][0][0] == 2


def test_kusto_truncation(kusto: KustoClient) -> None:
    asked = ClientRequestProperties()
    asked.set_option("truncationmaxrecords", 5)
    with pytest.raises(KustoMultiApiError) as cut:
        kusto.execute("hunt", "Hours_CL", asked)
    assert cut.value.get_api_errors()[0].code == "LimitsExceeded"
    asked.set_option("notruncation", True)
    assert len(kusto.execute("hunt", "Hours_CL", asked).primary_results[0]) == 10


def test_kusto_errors(kusto: KustoClient, server: Server) -> None:
    with pytest.raises(KustoApiError) as semantic:
        kusto.execute("hunt", "Hours_CL | where X == 1")
    assert semantic.value.is_semantic_error() and semantic.value.get_api_error().code == "General_BadRequest"
    assert "SEM0100" in semantic.value.get_api_error().description
    with pytest.raises(KustoServiceError) as unknown:
        kusto.execute("other", "print 1")
    assert "Entity ID 'other' of kind 'Database' was not found." in str(unknown.value)
    stranger = KustoClient(KustoConnectionStringBuilder.with_aad_user_token_authentication(server.url, "wrong"))
    with pytest.raises(KustoServiceError):
        stranger.execute("hunt", "print 1")


def test_kusto_streams_and_connects_in_every_way(kusto: KustoClient, server: Server) -> None:
    rows = [row["n"] for table in kusto.execute_streaming_query("hunt", "Hours_CL | sort by n asc").iter_primary_results() for row in table]
    assert rows == list(range(10))
    for builder in (
        KustoConnectionStringBuilder.with_no_authentication(server.url),
        KustoConnectionStringBuilder.with_azure_token_credential(server.url, Credential(server.token)),
    ):
        with KustoClient(builder) as client:
            assert client.execute("hunt", "print 1").primary_results[0][0][0] == 1


KQLMAGIC = """
    import os
    os.environ["KQLMAGIC_CONFIGURATION"] = "show_init_banner=False;check_magic_version=False;show_what_new=False"
    try:
        from IPython.core.interactiveshell import InteractiveShell
        shell = InteractiveShell.instance()
        shell.run_line_magic("load_ext", "Kqlmagic")
    except Exception as problem:
        print("UNUSABLE", repr(problem))
        raise SystemExit
    for connection in (CONNECTIONS):
        shell.run_line_magic("kql", connection)
        shell.run_line_magic("kql", "Hours_CL | where n > 7 | project n | sort by n asc")
        print("ROWS", [row["n"] for row in shell.user_ns["_kql_raw_result_"]])
        shell.run_line_magic("kql", "--schema")
        schema = shell.run_line_magic("kql", "--schema -assign_var schema") or shell.user_ns.get("schema")
        print("SCHEMA", sorted(dict(schema)["Hours_CL"]))
"""


def test_kqlmagic(server: Server) -> None:
    connections = [
        f"loganalytics://workspace='{server.workspace}';alias='la';datasourceurl='{server.url}';anonymous",
        f"loganalytics://workspace='{server.workspace}';alias='key';datasourceurl='{server.url}';appkey='{server.token}'",
        f"azuredataexplorer://cluster='{server.url}';database='hunt';alias='adx';anonymous",
    ]
    script = textwrap.dedent(KQLMAGIC).replace("(CONNECTIONS)", repr(connections))
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    if "UNUSABLE" in ended.stdout:
        pytest.skip(f"Kqlmagic does not load here: {ended.stdout}")
    lines = [line for line in ended.stdout.splitlines() if line.startswith(("ROWS", "SCHEMA"))]
    assert lines == ["ROWS [8, 9]", "SCHEMA ['TimeGenerated', 'Type', 'n', 's']"] * 3, f"{ended.stdout}\n{ended.stderr}"
