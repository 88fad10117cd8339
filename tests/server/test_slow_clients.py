"""A long answer ends when its reader is silent, and not when it is slow."""

import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import pytest

from storage_app.server.places import places
from storage_app.server.slow_clients import SlowClientSocket
from tests.support.disruptions import wait_until

SILENCE = 0.5  # seconds
SOON = 10.0
CONTENT = hashlib.shake_256(b"seed").digest(16 * 1024 * 1024)

Send = Callable[[SlowClientSocket, BinaryIO], object]


def by_sendfile(connection: SlowClientSocket, file: BinaryIO) -> None:
    assert connection.sendfile(file, 100, len(CONTENT) - 200) == len(CONTENT) - 200


def by_sendall(connection: SlowClientSocket, file: BinaryIO) -> None:
    connection.sendall(CONTENT[100:-100])


@pytest.fixture
def pair() -> Iterator[tuple[SlowClientSocket, socket.socket]]:
    """Both ends of a connection, of which the kernel keeps little for the reader."""
    with socket.create_server(("127.0.0.1", 0)) as listener, closing(socket.socket()) as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        reader.connect(listener.getsockname())
        accepted, _ = listener.accept()
        with SlowClientSocket.of(accepted) as connection:
            connection.settimeout(SILENCE)
            places.begin(connection)
            yield connection, reader
            places.end()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[BinaryIO]:
    (tmp_path / "file").write_bytes(CONTENT)
    with (tmp_path / "file").open("rb", buffering=0) as opened:
        yield opened


@pytest.mark.parametrize("send", [by_sendfile, by_sendall])
def test_slow_reader_gets_everything(pair: tuple[SlowClientSocket, socket.socket], file: BinaryIO, send: Send) -> None:
    connection, reader = pair
    received = bytearray()

    def read() -> None:
        began = time.monotonic()
        while len(received) < len(CONTENT) - 200:
            received.extend(reader.recv(64 * 1024))
            if time.monotonic() - began < 4 * SILENCE:  # long enough to be taken for silent
                time.sleep(SILENCE / 10)  # its pace is what is tested

    thread = threading.Thread(target=read)
    thread.start()
    send(connection, file)
    thread.join()
    assert received == CONTENT[100:-100]
    assert connection.gettimeout() == SILENCE


@pytest.mark.parametrize("send", [by_sendfile, by_sendall])
def test_reader_that_takes_nothing_is_given_up(
    pair: tuple[SlowClientSocket, socket.socket], file: BinaryIO, send: Send
) -> None:
    connection, _ = pair
    with pytest.raises(TimeoutError):
        send(connection, file)
    assert connection.gettimeout() == SILENCE


def test_reader_that_is_gone_is_an_error_at_once(pair: tuple[SlowClientSocket, socket.socket], file: BinaryIO) -> None:
    connection, reader = pair
    reader.close()
    with pytest.raises(ConnectionError):
        by_sendfile(connection, file)


def test_without_a_bound_it_is_a_plain_socket(pair: tuple[SlowClientSocket, socket.socket], file: BinaryIO) -> None:
    connection, reader = pair
    connection.settimeout(None)
    thread = threading.Thread(target=lambda: by_sendfile(connection, file))
    thread.start()
    received = bytearray()
    while len(received) < len(CONTENT) - 200:
        received += reader.recv(1024 * 1024)
    thread.join()
    assert received == CONTENT[100:-100]


def receive(connection: SlowClientSocket) -> object:
    places.begin(connection)
    try:
        return connection.recv(100)
    finally:
        places.end()


def test_what_is_here_is_received_without_a_place(pair: tuple[SlowClientSocket, socket.socket]) -> None:
    connection, client = pair
    client.sendall(b"here")
    connection.settimeout(SOON)
    wait_until(lambda: connection.recv(100, socket.MSG_PEEK) == b"here")
    assert connection.recv(100) == b"here"
    assert not places._taken


def test_what_comes_is_waited_for_in_a_place(pair: tuple[SlowClientSocket, socket.socket]) -> None:
    connection, client = pair
    connection.settimeout(SOON)
    with ThreadPoolExecutor(1) as threads:
        received = threads.submit(receive, connection)
        wait_until(lambda: len(places._taken) == 1)
        client.sendall(b"comes")
        assert received.result(SOON) == b"comes"
    assert not places._taken


def test_client_that_sends_nothing_is_given_up(pair: tuple[SlowClientSocket, socket.socket]) -> None:
    connection, _ = pair
    with pytest.raises(TimeoutError):
        connection.recv(100)


def test_body_has_its_time_and_no_more(pair: tuple[SlowClientSocket, socket.socket]) -> None:
    connection, client = pair
    connection.settimeout(SOON)
    places.limit_body(SILENCE)
    began = time.monotonic()
    client.sendall(b"x")
    assert connection.recv(1) == b"x"
    with pytest.raises(TimeoutError):
        connection.recv(1)
    assert time.monotonic() - began < SOON


def test_reader_without_a_place_is_cut_off(pair: tuple[SlowClientSocket, socket.socket]) -> None:
    connection, client = pair
    places.limit(0)
    try:
        with pytest.raises(BrokenPipeError):
            connection.sendall(CONTENT)
    finally:
        places.limit(None)
    connection.close()
    wait_until(lambda: is_reset(client))


def is_reset(client: socket.socket) -> bool:
    try:
        client.recv(1024 * 1024)
    except ConnectionResetError:
        return True
    return False
