"""A long session of mixed cells leaks nothing: no process, no file, no memory; and loses nothing.

`HUNTBOOK_SOAK=500` runs that many cells instead of the few that every test run takes.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from harness import Kernel

CELLS = int(os.environ.get("HUNTBOOK_SOAK", "60"))
WARM_UP = CELLS // 5
MIB = 2**20
KEPT = 'let kept = String::from("kept");'


def value(kernel: Kernel, number: int) -> None:
    kernel.ok(f"let x = {number};")
    assert kernel.value("x + 1") == str(number + 1)


def items(kernel: Kernel, number: int) -> None:
    kernel.ok(f"fn twice(n: i64) -> i64 {{ 2 * n + {number} }}\nstruct Seen(i64);\nlet seen = Seen(twice({number}));")
    assert kernel.value("seen.0") == str(3 * number)


def replaced_vector(kernel: Kernel, number: int) -> None:
    kernel.ok(f"let block = vec![{number % 251}u8; 20_000_000];")
    assert kernel.value("block[19_999_999]") == str(number % 251)


def query(kernel: Kernel, number: int) -> None:
    kernel.ok(f"%kql soaked << range n from 1 to {number + 1} step 1 | extend text = strcat('row ', n)")
    assert kernel.count("soaked") == number + 1


def handles(kernel: Kernel, number: int) -> None:
    kernel.ok(f"%kql soaked << range n from 1 to {number + 1} step 1")
    assert kernel.value('soaked.filter(col("n").gt(0)).height()') == str(number + 1)


def flood(kernel: Kernel, number: int) -> None:
    assert kernel.ok(f'for line in 0..2000 {{ println!("{number} {{line}}"); }}').stdout.count("\n") == 2000


def display(kernel: Kernel, number: int) -> None:
    outcome = kernel.ok(f'display::html("<b>{number}</b>");')
    assert outcome.of("display_data")[0]["data"]["text/html"] == f"<b>{number}</b>"


def compile_error(kernel: Kernel, number: int) -> None:
    kernel.fails(f"let wrong: i32 = \"{number}\";", "CompileError")


def query_error(kernel: Kernel, _number: int) -> None:
    kernel.fails("%kql NoSuchTable | count", "KqlError")


def panic(kernel: Kernel, number: int) -> None:
    kernel.fails(f'panic!("{number}")')


def early_return(kernel: Kernel, number: int) -> None:
    kernel.fails(f'"{number}?".parse::<i32>()?;')


def abort(kernel: Kernel, _number: int) -> None:
    kernel.fails("std::process::abort();")


def interrupt(kernel: Kernel, _number: int) -> None:
    request = kernel.send('println!("spinning");\nloop {}')
    kernel.until_stdout(request, "spinning")
    kernel.interrupt()
    assert kernel.outcome(request).error["ename"] == "Interrupted"


def completion(kernel: Kernel, _number: int) -> None:
    reply = kernel.ask(kernel.client.complete("%kql print a=1 | ext"))
    assert "extend" in reply["matches"]


def restart(kernel: Kernel, _number: int) -> None:
    kernel.restart()
    kernel.ok(KEPT)


EVERY_KIND: list[tuple[Callable[[Kernel, int], None], int]] = [
    (value, 6),
    (items, 3),
    (replaced_vector, 2),
    (query, 6),
    (handles, 4),
    (flood, 1),
    (display, 2),
    (compile_error, 3),
    (query_error, 2),
    (panic, 2),
    (early_return, 2),
    (abort, 1),
    (interrupt, 2),
    (completion, 2),
    (restart, 1),
]


@dataclass
class Footprint:
    """What the kernel and everything below it hold."""

    processes: int
    files: int
    private_mib: float

    @staticmethod
    def of(kernel: Kernel) -> Footprint:
        tree = kernel.tree()
        private = sum(process.memory_full_info().uss for process in tree)
        return Footprint(len(tree), psutil.Process(kernel.pid).num_fds(), private / MIB)


def test_a_long_session(own_kernel: Kernel) -> None:
    chance = random.Random(7)
    kinds = [kind for kind, weight in EVERY_KIND for _ in range(weight)]
    # Every kind at least once before the footprint is taken: what is made at first use is no leak.
    plan = [kind for kind, _ in EVERY_KIND] + [chance.choice(kinds) for _ in range(CELLS)]
    own_kernel.ok(KEPT)
    before = None
    for number, kind in enumerate(plan):
        kind(own_kernel, number)
        if number % 20 == 0:
            assert own_kernel.value("kept") == '"kept"', f"lost by cell {number}"
        if number == len(EVERY_KIND) + WARM_UP:
            before = Footprint.of(own_kernel)
    assert own_kernel.value("kept") == '"kept"'
    assert before is not None
    after = Footprint.of(own_kernel)
    print(f"{len(plan)} steps: {before} -> {after}")
    assert after.processes <= before.processes, [process.cmdline() for process in own_kernel.tree()]
    assert after.files <= before.files + 16
    assert after.private_mib < before.private_mib + 200
