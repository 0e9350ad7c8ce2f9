"""Messages that no honest client sends do not harm the kernel."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import zmq
from jupyter_client.session import Session

from harness import SOON, Kernel


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
        ("complete_request", {"code": "1", "cursor_pos": -1}),
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


def test_a_request_that_cannot_be_read_is_answered_with_an_error(kernel: Kernel) -> None:
    message = kernel.client.session.msg("execute_request", {"code": 7, "silent": False})
    kernel.client.shell_channel.send(message)
    reply = kernel.ask(message["header"]["msg_id"])
    assert (reply["status"], reply["ename"]) == ("error", "BadRequest")


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


# Values of every kind that JSON has, where a client would send others.
STRANGE = [None, True, -1, 2**63, 1e308, "", "\x00\ud7ff\u202e", "%kql print a=1", "a" * 10_000, [], [[]], {}, {"a": {"a": []}}]
KINDS = [
    "complete_request",
    "inspect_request",
    "is_complete_request",
    "history_request",
    "comm_open",
    "comm_msg",
    "comm_close",
    "comm_info_request",
    "kernel_info_request",
    "execute_request",
    "debug_request",
    "input_reply",
]
MEMBERS = ["code", "cursor_pos", "detail_level", "hist_access_type", "n", "session", "start", "stop", "pattern", "comm_id"]
MEMBERS += ["target_name", "data", "silent", "store_history", "user_expressions", "allow_stdin", "stop_on_error", "value"]


def test_fuzzed_messages_are_survived(kernel: Kernel) -> None:
    chance = random.Random(11)
    session = own_session(kernel)
    with stranger(kernel, "shell") as shell, stranger(kernel, "control") as control:
        for _ in range(400):
            members = chance.sample(MEMBERS, chance.randrange(len(MEMBERS)))
            content = {member: chance.choice(STRANGE) for member in members}
            # Code that is not text never runs; what is text is one harmless query or does not compile.
            if content.get("code") in ("a" * 10_000, "\x00\ud7ff\u202e"):
                content["code"] = "%kql print"
            message = session.msg(chance.choice(KINDS), content)
            if chance.random() < 0.2:
                message["header"][chance.choice(["msg_type", "msg_id", "session"])] = chance.choice(STRANGE)
            socket = chance.choice([shell, control])
            parts = [json.dumps(message[part], default=str).encode() for part in ("header", "parent_header", "metadata", "content")]
            if chance.random() < 0.2:
                at = chance.randrange(4)
                parts[at] = parts[at][: chance.randrange(len(parts[at]) + 1)]
            socket.send_multipart([b"<IDS|MSG>", session.sign(parts), *parts])
        still_answers(kernel)


def test_kernel_info_before_anyone_listens_to_iopub(start_kernel: Callable[..., Kernel]) -> None:
    """As VS Code starts: it asks on shell at once, and subscribes to iopub later."""
    kernel = start_kernel(wait=False)
    connection = kernel.client.get_connection_info()
    session = own_session(kernel)
    with stranger(kernel, "shell") as shell:
        session.send(shell, session.msg("kernel_info_request", {}))
        assert shell.poll(1000 * SOON), "no reply to kernel_info"
        _, frames = session.feed_identities(shell.recv_multipart())
        assert session.deserialize(frames)["content"]["status"] == "ok"
        listener = zmq.Context.instance().socket(zmq.SUB)
        listener.subscribe(b"")
        listener.connect(f"tcp://{connection['ip']}:{connection['iopub_port']}")
        kinds = []
        # The first cells' broadcasts may pass before the subscription arrives: a client asks until it hears one.
        while not kinds:
            session.send(shell, session.msg("kernel_info_request", {}))
            while listener.poll(500):
                _, frames = session.feed_identities(listener.recv_multipart())
                kinds.append(session.deserialize(frames)["msg_type"])
        assert set(kinds) <= {"status", "iopub_welcome"}
        session.send(shell, session.msg("execute_request", {"code": "%kql print a=1", "silent": False}))
        while "execute_result" not in kinds and listener.poll(1000 * SOON):
            _, frames = session.feed_identities(listener.recv_multipart())
            kinds.append(session.deserialize(frames)["msg_type"])
        assert "execute_result" in kinds
        listener.close(linger=0)
