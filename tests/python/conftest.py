"""Fixtures: a kernel per file for cells that leave it well, a kernel of their own for those that do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import Kernel


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Shared by a file's tests: variables of one test must not matter to another."""
    started = Kernel(workspace_in(tmp_path_factory.mktemp("kernel")))
    yield started
    started.shut_down()


@pytest.fixture
def start_kernel(tmp_path: Path) -> Iterator[Callable[..., Kernel]]:
    """Starts kernels that end with the test, however it ends."""
    kernels: list[Kernel] = []

    def start(**options: object) -> Kernel:
        started = Kernel(workspace_in(tmp_path), **options)
        kernels.append(started)
        return started

    yield start
    for started in kernels:
        started.shut_down(now=True)


@pytest.fixture
def own_kernel(start_kernel: Callable[..., Kernel]) -> Kernel:
    """A kernel for one test, which may wreck it."""
    return start_kernel()


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return workspace_in(tmp_path)


def workspace_in(folder: Path) -> Path:
    workspace = folder / "workspace"
    workspace.mkdir(exist_ok=True)
    return workspace
