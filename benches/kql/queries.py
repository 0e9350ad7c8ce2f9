"""Ten everyday hunting queries: in KQL, as DuckDB SQL and in Python polars, all giving the same rows.

The hand-written forms use what each engine offers for the job; `run.py` refuses to time forms that disagree.
"""

from datetime import datetime, timedelta

import polars as pl

FROM, TO = datetime(2026, 10, 12), datetime(2026, 10, 13)
# A term is a maximal run of letters and digits.
TERM = r"(?i)(?:^|[^\p{L}\p{N}])(?:%s)(?:$|[^\p{L}\p{N}])"
SQL_TERM = "(^|[^a-zA-Z0-9])(%s)($|[^a-zA-Z0-9])"
PARSED = r"^Logon from (?<ip>.*?) port (?<port>.*?) session (?<session>.*?) status (?<status>.*)$"


def has(column, *terms):
    return pl.col(column).str.contains(TERM % "|".join(terms))


def joined(t):
    logons = t.filter(pl.col("EventID") == 4624).group_by("Computer", "Account").agg(pl.len().alias("Logons"))
    failed = t.filter(pl.col("EventID") == 4625).group_by("Computer", "Account").agg(pl.len().alias("Failures"))
    both = logons.join(failed, on=["Computer", "Account"], how="inner")
    return both.filter(pl.col("Failures") > pl.col("Logons")).select("Computer", "Account", "Logons", "Failures")


def parsed(t):
    message = t.filter(pl.col("EventID") == 4625).select(pl.col("Message").str.extract_groups(PARSED).alias("p")).unnest("p")
    message = message.with_columns(pl.col("port").cast(pl.Int32, strict=False))
    return message.group_by("status").agg(
        pl.len().alias("Failures"), pl.col("port").max().alias("TopPort"), pl.col("ip").n_unique().alias("Addresses"))


QUERIES = [
    {
        "name": "filter + project",
        "kql": """SecurityEvent
| where TimeGenerated between (datetime(2026-10-12) .. datetime(2026-10-13))
| where EventID == 4625 and LogonType == 3
| project TimeGenerated, Computer, Account, IpAddress""",
        "sql": """SELECT TimeGenerated, Computer, Account, IpAddress FROM SecurityEvent
WHERE TimeGenerated BETWEEN '2026-10-12' AND '2026-10-13' AND EventID = 4625 AND LogonType = 3""",
        "polars": lambda t: t.filter(
            pl.col("TimeGenerated").is_between(FROM, TO) & (pl.col("EventID") == 4625) & (pl.col("LogonType") == 3)
        ).select("TimeGenerated", "Computer", "Account", "IpAddress"),
    },
    {
        "name": "count by",
        "kql": "SecurityEvent | summarize Events = count() by EventID, Computer",
        "sql": "SELECT EventID, Computer, count(*) AS Events FROM SecurityEvent GROUP BY ALL",
        "polars": lambda t: t.group_by("EventID", "Computer").agg(pl.len().alias("Events")),
    },
    {
        "name": "dcount by",
        "kql": "SecurityEvent | where EventID == 4624 | summarize Accounts = dcount(Account) by Computer",
        "sql": "SELECT Computer, count(DISTINCT Account) AS Accounts FROM SecurityEvent WHERE EventID = 4624 GROUP BY Computer",
        "polars": lambda t: t.filter(pl.col("EventID") == 4624)
        .group_by("Computer").agg(pl.col("Account").n_unique().alias("Accounts")),
    },
    {
        "name": "bin(1h) timechart",
        "kql": "SecurityEvent | summarize Events = count() by bin(TimeGenerated, 1h), EventID | render timechart",
        "sql": """SELECT date_trunc('hour', TimeGenerated) AS TimeGenerated, EventID, count(*) AS Events
FROM SecurityEvent GROUP BY ALL""",
        "polars": lambda t: t.group_by(pl.col("TimeGenerated").dt.truncate("1h"), "EventID").agg(pl.len().alias("Events")),
    },
    {
        "name": "has / has_any",
        "kql": """SecurityEvent
| where CommandLine has "powershell" or CommandLine has_any ("certutil", "wmic", "mshta")
| summarize Runs = count(), Last = max(TimeGenerated) by Account""",
        "sql": f"""SELECT Account, count(*) AS Runs, max(TimeGenerated) AS Last FROM SecurityEvent
WHERE regexp_matches(CommandLine, '{SQL_TERM % "powershell|certutil|wmic|mshta"}', 'i') GROUP BY Account""",
        "polars": lambda t: t.filter(has("CommandLine", "powershell", "certutil", "wmic", "mshta"))
        .group_by("Account").agg(pl.len().alias("Runs"), pl.col("TimeGenerated").max().alias("Last")),
    },
    {
        "name": "join on two keys",
        "kql": """let logons = SecurityEvent | where EventID == 4624 | summarize Logons = count() by Computer, Account;
let failed = SecurityEvent | where EventID == 4625 | summarize Failures = count() by Computer, Account;
logons
| join kind=inner failed on Computer, Account
| where Failures > Logons
| project Computer, Account, Logons, Failures""",
        "sql": """WITH logons AS (SELECT Computer, Account, count(*) AS Logons FROM SecurityEvent WHERE EventID = 4624 GROUP BY ALL),
failed AS (SELECT Computer, Account, count(*) AS Failures FROM SecurityEvent WHERE EventID = 4625 GROUP BY ALL)
SELECT Computer, Account, Logons, Failures FROM logons JOIN failed USING (Computer, Account) WHERE Failures > Logons""",
        "polars": joined,
    },
    {
        "name": "arg_max",
        "kql": "SecurityEvent | summarize arg_max(TimeGenerated, Computer, IpAddress, LogonType) by Account, EventID",
        "sql": """SELECT Account, EventID, max(TimeGenerated) AS TimeGenerated, arg_max(Computer, TimeGenerated) AS Computer,
arg_max(IpAddress, TimeGenerated) AS IpAddress, arg_max(LogonType, TimeGenerated) AS LogonType
FROM SecurityEvent GROUP BY Account, EventID""",
        "polars": lambda t: t.group_by("Account", "EventID").agg(
            pl.col("TimeGenerated").max(), *(pl.col(c).max_by("TimeGenerated") for c in ("Computer", "IpAddress", "LogonType"))),
    },
    {
        "name": "make_set",
        "kql": "SecurityEvent | where EventID == 5140 | summarize Shares = make_set(ShareName), Accesses = count() by Account",
        "sql": """SELECT Account, list(DISTINCT ShareName) AS Shares, count(*) AS Accesses
FROM SecurityEvent WHERE EventID = 5140 GROUP BY Account""",
        "polars": lambda t: t.filter(pl.col("EventID") == 5140).group_by("Account").agg(
            pl.col("ShareName").unique().alias("Shares"), pl.len().alias("Accesses")),
    },
    {
        "name": "mv-expand of dynamic",
        "kql": """SecurityEvent
| where EventID == 4672
| mv-expand Privilege = parse_json(PrivilegeList) to typeof(string)
| summarize Uses = count() by Privilege, Computer""",
        "sql": """SELECT Privilege, Computer, count(*) AS Uses FROM (
SELECT unnest(from_json(PrivilegeList, '["VARCHAR"]')) AS Privilege, Computer FROM SecurityEvent WHERE EventID = 4672)
GROUP BY ALL""",
        "polars": lambda t: t.filter(pl.col("EventID") == 4672)
        .select("Computer", pl.col("PrivilegeList").str.json_decode(pl.List(pl.String)).alias("Privilege"))
        .explode("Privilege").group_by("Privilege", "Computer").agg(pl.len().alias("Uses")),
    },
    {
        "name": "parse + summarize",
        "kql": """SecurityEvent
| where EventID == 4625
| parse Message with "Logon from " ip " port " port:int " session " session " status " status
| summarize Failures = count(), TopPort = max(port), Addresses = dcount(ip) by status""",
        "sql": r"""SELECT p.status AS status, count(*) AS Failures, max(TRY_CAST(p.port AS INTEGER)) AS TopPort,
count(DISTINCT p.ip) AS Addresses FROM (
SELECT regexp_extract(Message, '^Logon from (.*?) port (.*?) session (.*?) status (.*)$',
    ['ip', 'port', 'session', 'status']) AS p FROM SecurityEvent WHERE EventID = 4625) GROUP BY p.status""",
        "polars": parsed,
    },
]
