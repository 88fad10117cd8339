"""A long answer ends when its reader is silent, and not when it is slow."""

import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import pytest

from storage_app.server.slow_clients import SlowClientSocket

SILENCE = 0.5  # seconds
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
            yield connection, reader


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
