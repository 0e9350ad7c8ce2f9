"""Exported SecurityEvent rows as JSON lines: 30 columns, about 1 KB a row."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta, timezone
from pathlib import Path

EVENT_IDS = [4624, 4625, 4634, 4648, 4656, 4662, 4663, 4672, 4688, 4768, 4769, 4776, 5140, 5145]
PROCESSES = ["C:\\Windows\\System32\\svchost.exe", "C:\\Windows\\System32\\cmd.exe", "-", "C:\\Program Files\\App\\app.exe"]


def row(rng: random.Random, time: datetime) -> str:
    user = f"user{rng.randrange(5000)}"
    computer = f"srv-{rng.randrange(800):03}.corp.example"
    event = rng.choice(EVENT_IDS)
    return json.dumps(
        {
            "TenantId": "11111111-2222-3333-4444-555555555555",
            "TimeGenerated": time.strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z",
            "SourceSystem": "OpsManager",
            "Account": f"CORP\\{user}",
            "AccountType": "User",
            "Computer": computer,
            "EventSourceName": "Microsoft-Windows-Security-Auditing",
            "Channel": "Security",
            "Task": 12544,
            "Level": "8",
            "EventData": f'<EventData xmlns="http://schemas.microsoft.com/win/2004/08/events/event"><Data Name="SubjectUserSid">S-1-5-21-{rng.getrandbits(31)}</Data></EventData>',
            "EventID": event,
            "Activity": f"{event} - An account was successfully logged on.",
            "AuthenticationPackageName": "Kerberos",
            "ElevatedToken": "%%1843",
            "IpAddress": f"10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}",
            "IpPort": str(rng.randrange(65536)),
            "KeyLength": 0,
            "LogonProcessName": "Kerberos",
            "LogonType": rng.choice([2, 3, 5, 10]),
            "Process": "-",
            "ProcessName": rng.choice(PROCESSES),
            "SubjectUserName": user,
            "SubjectDomainName": "CORP",
            "TargetUserName": user,
            "TargetLogonId": hex(rng.getrandbits(32)),
            "WorkstationName": computer.split(".")[0].upper(),
            "ShareName": None,
            "Type": "SecurityEvent",
            "_ResourceId": f"/subscriptions/1/resourcegroups/rg/providers/microsoft.compute/virtualmachines/{computer}",
        },
        separators=(",", ":"),
    )


def write(path: Path, size: int, seed: int = 7) -> int:
    """Writes rows until the file has `size` bytes; returns their number. After 100,000 rows they come again."""
    rng = random.Random(seed)
    start = datetime(2026, 11, 20, tzinfo=timezone.utc)
    block = [(row(rng, start + timedelta(milliseconds=317 * at)) + "\n").encode() for at in range(100_000)]
    written = rows = 0
    with path.open("wb") as out:
        while written < size:
            for line in block:
                if written >= size:
                    break
                out.write(line)
                written += len(line)
                rows += 1
    return rows
