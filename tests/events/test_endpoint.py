"""The receiver of events: what it is sent, and what its answers are taken for."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from storage_app.domain.changes import Change, ChangeKind
from storage_app.events import endpoint as module
from storage_app.events.endpoint import Answer, Endpoint
from tests.events.conftest import described
from tests.support.core import A_TIME, a_bucket, a_file
from tests.support.receiver import SECRET, Receiver
from tests.support.service import free_port

A_CHANGE = Change(ChangeKind.FILE_CREATED, a_bucket(), A_TIME, a_file("ж"))


def test_event_is_signed_and_says_what_happened(receiver: Receiver, endpoint: Endpoint) -> None:
    assert endpoint.send(A_CHANGE) == Answer(None)
    (event,) = receiver.received  # which has verified it
    assert (event.id, event.type, event.sequence) == (A_CHANGE.id, "file.created", A_CHANGE.sequence)
    assert event.data == {"bucket_id": "photos", "id": "ж"}


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_is_received(receiver: Receiver, endpoint: Endpoint, status: int) -> None:
    receiver.answer = lambda _: status
    assert endpoint.send(A_CHANGE) == Answer(None)


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 429, 500, 503])
def test_any_other_status_is_a_failure_and_is_not_followed(receiver: Receiver, endpoint: Endpoint, status: int) -> None:
    receiver.answer = lambda _: status
    assert endpoint.send(A_CHANGE) == Answer(f"it answered {status}")
    assert receiver.statuses == [status]


def test_410_wants_no_more(receiver: Receiver, endpoint: Endpoint) -> None:
    receiver.answer = lambda _: 410
    assert endpoint.send(A_CHANGE) == Answer("it answered 410", is_gone=True)


def test_receiver_that_is_not_there_is_a_failure() -> None:
    with closing(Endpoint(f"http://127.0.0.1:{free_port()}/", SECRET, described)) as endpoint:
        assert endpoint.send(A_CHANGE) == Answer("it cannot be reached (NewConnectionError)")


@contextmanager
def answering(*pieces: bytes, every: float) -> Iterator[str]:
    """Answer one connection with `pieces`, with a pause before each, and then stay silent."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                for piece in pieces:
                    if ended.wait(every):
                        return
                    try:
                        connection.sendall(piece)
                    except OSError:
                        return
                ended.wait(30)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        ended.set()
        thread.join()


@pytest.mark.parametrize("pieces", [(), (b"HTTP/1.1 200 OK\r\n",)])
def test_receiver_that_hangs_is_a_failure_after_a_while(
    monkeypatch: pytest.MonkeyPatch, pieces: tuple[bytes, ...]
) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.3)
    with answering(*pieces, every=0) as url, closing(Endpoint(url, SECRET, described)) as endpoint:
        assert endpoint.send(A_CHANGE) == Answer("it did not answer within 0.3 seconds")


@pytest.mark.parametrize(
    ("head", "answer"),
    [
        (b"", Answer("it did not answer within 0.5 seconds")),
        (b"HTTP/1.1 200 OK\r\nX: ", Answer("it did not answer within 0.5 seconds")),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", Answer(None)),
        (b"HTTP/1.1 500 No\r\nContent-Length: 1000\r\n\r\n", Answer("it answered 500")),
    ],
)
def test_answer_that_comes_byte_by_byte_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, head: bytes, answer: Answer
) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.5)
    began = time.monotonic()
    with answering(head, *[b"x"] * 1000, every=0.1) as url, closing(Endpoint(url, SECRET, described)) as endpoint:
        assert endpoint.send(A_CHANGE) == answer
        assert time.monotonic() - began < 5


def test_endless_answer_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 5)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
    began = time.monotonic()
    with answering(head, *[b"x" * 65536] * 50, every=0) as url, closing(Endpoint(url, SECRET, described)) as endpoint:
        assert endpoint.send(A_CHANGE) == Answer(None)
    assert time.monotonic() - began < 5


def test_test_event_stands_for_nothing(receiver: Receiver, endpoint: Endpoint) -> None:
    assert endpoint.test() == Answer(None)
    assert [(event.type, event.sequence, event.data) for event in receiver.received] == [("storage.test", 0, {})]
