"""From a score to an incident: `huntbook rule` over a workspace that notebooks have filled, and the `%sentinel` magics."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import Kernel, huntbook_binary, run_cells

ROWS = (
    "%kql scored << datatable(TimeGenerated:datetime, user:string, share:string, score:real)["
    'datetime(2026-03-01T08:10:00Z), "ann", "payroll", 3.5, '
    'datetime(2026-03-01T08:40:00Z), "ann", "board", 2.5, '
    'datetime(2026-03-01T09:30:00Z), "bob", "payroll", 4.5, '
    'datetime(2026-03-01T09:40:00Z), "cid", "public", 0.1]'
)
WRITE = "%la_write scored Scores"
HITS = "%kql hits << Scores_CL | where score > 2"
NEW = "%sentinel rule new 'Odd access' --frame hits --entity Account.Name=user --severity High --tactic Discovery --force"


def huntbook(*arguments: str, folder: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HUNTBOOK_WORKSPACE": str(folder / "workspace"), "COLUMNS": "200"}
    command = [huntbook_binary(), *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "panicked" not in done.stderr, done.stderr
    return done


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder whose workspace a notebook has filled, with the rule that the notebook has written."""
    folder = tmp_path_factory.mktemp("rule")
    (folder / "workspace").mkdir()
    run_cells(folder, folder / "workspace", [ROWS, WRITE, HITS, NEW]).passed()
    yield folder


def test_the_notebook_writes_a_rule_that_is_right(filled: Path) -> None:
    text = (filled / "OddAccess.yaml").read_text()
    assert "queryFrequency: 1h" in text and "columnName: user" in text and text.endswith("kind: Scheduled\n")
    shown = json.loads(huntbook("rule", "show", "OddAccess.yaml", folder=filled).stdout)
    assert shown["kind"] == "Scheduled"
    assert shown["properties"]["queryPeriod"] == "P1D"
    assert shown["properties"]["query"] == "Scores_CL | where score > 2\n"
    assert shown["properties"]["suppressionEnabled"] is False


def test_it_says_what_it_would_raise(filled: Path) -> None:
    done = huntbook("rule", "test", "OddAccess.yaml", folder=filled)
    assert "OddAccess.yaml: Odd access (High), every 1h over 1d, > 0 rows" in done.stdout
    assert "2 runs from 2026-03-01 09:00Z to 2026-03-01 10:00Z, 2 met the threshold, 2 alerts, 2 incidents" in done.stdout
    assert "Account ann, Account bob" in done.stdout
    once = json.loads(huntbook("rule", "test", "OddAccess.yaml", "--at", "2026-03-01T09:00Z", "--json", folder=filled).stdout)
    assert [alert["rows"] for alert in once["alerts"]] == [2]
    assert once["alerts"][0]["entities"] == [{"Type": "account", "Name": "ann"}]
    assert once["incidents"][0]["alerts"] == [once["alerts"][0]["id"]]
    none = huntbook("rule", "test", "OddAccess.yaml", "--at", "2026-03-05", "--expect", "0", folder=filled)
    assert "0 alerts, 0 incidents" in none.stdout
    wrong = huntbook("rule", "test", "OddAccess.yaml", "--at", "2026-03-05", "--expect", "1", folder=filled, code=1)
    assert "0 alert(s) were raised, 1 were expected" in wrong.stderr
    assert "unknown table" in huntbook("kql", "SecurityIncident | count", folder=filled, code=1).stderr, "nothing is written"


def test_mistakes_name_the_line_and_end_with_their_code(filled: Path) -> None:
    text = (filled / "OddAccess.yaml").read_text()
    broken = filled / "broken.yaml"
    broken.write_text(text.replace("columnName: user", "columnName: usr").replace("queryPeriod: 1d", "queryPeriod: 15d"))
    done = huntbook("rule", "test", "broken.yaml", folder=filled, code=1)
    lines = broken.read_text().splitlines()
    for word in ("columnName: usr", "queryPeriod: 15d"):
        number = next(at for at, line in enumerate(lines, 1) if word in line)
        assert f"broken.yaml:{number}: " in done.stderr, done.stderr
    broken.write_text("severity: High\nquery: [")
    assert "broken.yaml:" in huntbook("rule", "test", "broken.yaml", folder=filled, code=1).stderr
    assert "gone.yaml" in huntbook("rule", "test", "gone.yaml", folder=filled, code=2).stderr
    assert "write a time" in huntbook("rule", "test", "OddAccess.yaml", "--at", "noon", folder=filled, code=2).stderr
    broken.unlink()


def test_several_rules_have_a_summary(filled: Path) -> None:
    rules = filled / "rules"
    rules.mkdir(exist_ok=True)
    text = (filled / "OddAccess.yaml").read_text()
    (rules / "a.yaml").write_text(text)
    (rules / "quiet.yaml").write_text(text.replace("score > 2", "score > 9"))
    (rules / "wrong.yaml").write_text(text.replace("Scores_CL", "Scorse_CL"))
    done = huntbook("rule", "test", "rules", folder=filled, code=1)
    assert "3 rules: 1 raised 2 alert(s) and 2 incident(s), 1 failed" in done.stdout
    assert "did you mean `Scores_CL`" in done.stderr
    lines = [json.loads(line) for line in huntbook("rule", "test", "rules", "--json", folder=filled, code=1).stdout.splitlines()]
    assert ["error" in line for line in lines] == [False, False, True]


def test_rule_new_from_the_command_line(filled: Path) -> None:
    made = huntbook("rule", "new", "Payroll opened", "--query", "Scores_CL | where share == 'payroll'", folder=filled)
    assert "PayrollOpened.yaml" in made.stdout
    # `user` is a well-known column: the entity comes of itself.
    assert "columnName: user" in (filled / "PayrollOpened.yaml").read_text()
    again = huntbook("rule", "new", "Payroll opened", "--query", "Scores_CL", folder=filled, code=2)
    assert "--force" in again.stderr
    wrong = huntbook("rule", "new", "x", "--query", "Scores_CL | where shar == ''", "-o", "-", folder=filled, code=1)
    assert "did you mean `share`" in wrong.stderr


@pytest.fixture(scope="module")
def hunting(kernel: Kernel) -> Kernel:
    for cell in (ROWS, WRITE, HITS, NEW):
        kernel.ok(cell)
    return kernel


def test_a_notebook_goes_from_a_score_to_a_closed_incident(hunting: Kernel) -> None:
    tested = hunting.ok("%sentinel rule test OddAccess.yaml")
    assert "2 alerts, 2 incidents" in tested.text
    assert sum("<table>" in shown["data"].get("text/html", "") for shown in tested.of("display_data")) == 2
    hunting.ok("%sentinel rule test OddAccess.yaml --record")
    assert hunting.count("SecurityAlert") == 2
    hunting.ok("%sentinel rule test OddAccess.yaml --record")
    assert hunting.count("SecurityAlert") == 2, "an alert is recorded once"
    listed = hunting.ok("%sentinel incident list").of("execute_result")[0]["data"]
    assert "Odd access" in listed["text/plain"] and "<table>" in listed["text/html"]
    dry = hunting.ok("%sentinel incident update 1 --status Active --owner eve@contoso.com")
    assert "status: New -> Active" in dry.text and "--yes" in dry.text
    assert hunting.count("SecurityIncident | where Status == 'Active'") == 0
    hunting.ok("%sentinel incident update 1 --status Active --owner eve@contoso.com --yes")
    hunting.ok("%sentinel bookmark hits --title '{{user}} opened {{share}}' --incident 1 --yes")
    hunting.ok("%sentinel incident comment 1 'called ann: she says no' --yes")
    hunting.ok("%sentinel incident close 1 --classification TruePositive --comment confirmed --yes")
    shown = hunting.ok("%sentinel incident show 1").text
    for word in ("Closed", "TruePositive SuspiciousActivity", "eve@contoso.com", "called ann: she says no"):
        assert word in shown, shown
    hunting.ok("%sentinel waiting << incident list --status New")
    assert hunting.count("waiting") == 1
    assert hunting.count("HuntingBookmark") == 3


def test_watchlists_of_a_notebook(hunting: Kernel) -> None:
    assert "--yes" in hunting.ok("%sentinel watchlist put seen hits --key user").text
    hunting.ok("%sentinel watchlist put seen hits --key user --yes")
    assert hunting.count("_GetWatchlist('seen') | where SearchKey == 'ann'") == 2
    hunting.ok("%sentinel back << watchlist get seen")
    assert hunting.value("back.height()") == "3"


def test_a_rust_frame_is_bookmarked(hunting: Kernel) -> None:
    hunting.ok('let top = hits.sort("score", desc()).head(1);')
    assert "bob" in hunting.ok("%sentinel bookmark top --title {{user}}").text


def test_mistakes_in_magics(hunting: Kernel) -> None:
    for cell, words in {
        "%sentinel rule tset x": ["rule test|show|new|deploy"],
        "%sentinel incident show 99": ["there is no incident `99`"],
        "%sentinel bookmark nothing --title x": ["no frame is called `nothing`"],
        "%sentinel rule test gone.yaml": ["gone.yaml"],
        "%sentinel rule new y --frame scored2": ["scored2"],
        "%sentinel rule deploy OddAccess.yaml --conn nowhere": ["nowhere"],
    }.items():
        text = hunting.fails(cell).error_text
        assert all(word in text for word in words), text
    assert "rule deploy" in hunting.ok("%sentinel --help").text


def test_the_query_of_a_cell_magic_is_the_rest_of_the_cell(hunting: Kernel) -> None:
    made = hunting.ok("%%sentinel rule new 'Two lines' --force\nScores_CL\n| where score > 4\n")
    assert "TwoLines.yaml" in made.text and "  Scores_CL\n  | where score > 4" in made.text
    deployed = hunting.ok("%sentinel rule deploy TwoLines.yaml --yes")
    assert "Done" in deployed.text
