"""Messages that no honest client sends do not harm the kernel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import zmq
from jupyter_client.session import Session

from harness import Kernel


@contextmanager
def stranger(kernel: Kernel, channel: str) -> Iterator[zmq.Socket]:
    """A socket of a process that reached the kernel's port."""
    connection = kernel.client.get_connection_info()
    socket = zmq.Context.instance().socket(zmq.DEALER)
    socket.linger = 1000
    try:
        socket.connect(f"tcp://{connection['ip']}:{connection[channel + '_port']}")
        yield socket
    finally:
        socket.close()


def own_session(kernel: Kernel) -> Session:
    """Signs as the kernel's own client does."""
    return Session(key=kernel.client.session.key)


def still_answers(kernel: Kernel) -> None:
    assert kernel.control("kernel_info_request", {})["status"] == "ok"
    assert kernel.value("1 + 2") == "3"


@pytest.mark.parametrize("channel", ["shell", "control"])
def test_a_wrong_signature_is_dropped(kernel: Kernel, channel: str) -> None:
    with stranger(kernel, channel) as socket:
        forger = Session(key=b"not the key")
        forger.send(socket, forger.msg("execute_request", {"code": 'println!("forged");', "silent": False}))
        forger.send(socket, forger.msg("shutdown_request", {"restart": False}))
        forger.send(socket, forger.msg("kernel_info_request", {}))
        still_answers(kernel)
        assert not socket.poll(500), "a forged request was answered"


@pytest.mark.parametrize("channel", ["shell", "control"])
@pytest.mark.parametrize(
    "frames",
    [
        [b"garbage"],
        [b""],
        [b"<IDS|MSG>"],
        [b"<IDS|MSG>", b"signature"],
        [b"<IDS|MSG>", b"signature", b"{}", b"{}", b"{}"],
        [b"<IDS|MSG>", b"", b"\xff\xfe", b"{}", b"{}", b"{}"],
        [b"\x00" * 100_000],
    ],
    ids=["garbage", "empty", "delimiter", "short", "four parts", "not text", "large"],
)
def test_a_malformed_message_is_dropped(kernel: Kernel, channel: str, frames: list[bytes]) -> None:
    with stranger(kernel, channel) as socket:
        socket.send_multipart(frames)
        still_answers(kernel)


@pytest.mark.parametrize("channel", ["shell", "control"])
@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("execute_request", {}),
        ("execute_request", {"code": 7}),
        ("no_such_request", {"a": 1}),
        ("comm_msg", {"comm_id": "unknown", "data": {}}),
        ("kernel_info_reply", {}),
    ],
)
def test_a_signed_message_with_wrong_content_is_survived(
    kernel: Kernel, channel: str, kind: str, content: dict[str, object]
) -> None:
    session = own_session(kernel)
    with stranger(kernel, channel) as socket:
        session.send(socket, session.msg(kind, content))
        still_answers(kernel)


def test_a_client_that_leaves_and_comes_back(kernel: Kernel) -> None:
    session = own_session(kernel)
    for _ in range(3):
        with stranger(kernel, "shell") as socket:
            request = session.msg("kernel_info_request", {})
            session.send(socket, request)
            assert socket.poll(60_000), "no reply to a new connection"
            _, frames = session.feed_identities(socket.recv_multipart())
            assert session.deserialize(frames)["parent_header"]["msg_id"] == request["header"]["msg_id"]
    still_answers(kernel)
