"""gunicorn's worker: one thread leads, and answers for all busy connections; another one when that one cannot."""

import errno
import os
import re
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from storage_app.api.lanes import Lane
from storage_app.host import blocking
from storage_app.server import leadership, worker
from storage_app.server.resting import Resting
from tests.support.disruptions import takes_bytes_in, wait_until
from tests.support.raw_http import SlowClient
from tests.support.service import RunningService, bearer
from tests.support.worker import SOON, Client, Server, Waiting

FOREVER = 3600.0
LONG = Lane("long", at_once=1)
LONG_PATHS = [f"/long/{number}" for number in range(5)]


@pytest.fixture
def run() -> Iterator[Callable[..., Server]]:
    """Start servers; keyword arguments are settings of gunicorn."""
    running: list[Server] = []

    def start(**settings: object) -> Server:
        server = Server(**settings)
        running.append(server)
        server.start()
        return server

    yield start
    for server in running:
        server.begin_to_stop()
        server.assert_ends()
        server.close()
    blocking.install(None)


@pytest.fixture
def _nobody_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leadership, "TURN_SECONDS", FOREVER)


@pytest.fixture
def _nobody_is_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_BUSY_SECONDS", FOREVER)


@pytest.mark.usefixtures("_nobody_is_replaced", "_nobody_is_idle")
def test_one_thread_answers_for_all_busy_connections_without_the_main_thread(run: Callable[..., Server]) -> None:
    server = run()
    with server.clients(8) as clients:
        for _ in range(5):
            for number, client in enumerate(clients):
                client.ask(f"/{number}")
            assert [client.answer() for client in clients] == [f"/{number}" for number in range(8)]
        assert len(set(server.answered_by)) == 1
        assert server.worker.enqueued == 8


@pytest.mark.usefixtures("_nobody_is_replaced")
def test_another_thread_leads_while_a_request_pauses(run: Callable[..., Server]) -> None:
    server = run()
    server.answers["/pause"] = pause = Waiting(paused=True)
    with server.clients(2) as (waiting, resting), server.client() as new:
        waiting.ask("/pause")
        pause.assert_comes()
        assert resting.get("/resting") == "/resting"
        assert new.get("/new") == "/new"
        pause.go_on()
        assert waiting.answer() == "waited"
        assert waiting.get("/again") == "/again"


def test_a_leader_that_takes_long_is_replaced(run: Callable[..., Server]) -> None:
    server = run()
    server.answers["/long"] = long = Waiting()
    with server.clients(2) as (waiting, resting), server.client() as new:
        waiting.ask("/long")
        long.assert_comes()
        assert resting.get("/resting") == "/resting"
        assert new.get("/new") == "/new"
        long.go_on()
        assert waiting.answer() == "waited"
        assert waiting.get("/again") == "/again"


def by_path(_method: str, path: str) -> Lane | None:
    return LONG if path.startswith("/long") else None


@pytest.mark.usefixtures("_nobody_is_replaced")
def test_short_requests_overtake_long_ones(run: Callable[..., Server]) -> None:
    """Long ones wait without a thread, and come in the order in which they were asked for."""
    server = run(threads=2)
    server.worker.lane_of = by_path
    began: list[str] = []
    answers = {path: Waiting(paused=True, came=partial(began.append, path)) for path in LONG_PATHS}
    server.answers |= answers
    with server.clients(len(LONG_PATHS)) as clients, server.clients(1) as (short,):
        for client, path in zip(clients, LONG_PATHS, strict=True):
            client.ask(path)
            if path == LONG_PATHS[0]:
                answers[path].assert_comes()
        for client, path in zip(clients, LONG_PATHS, strict=True):
            answers[path].assert_comes()
            assert short.get("/short") == "/short"
            assert began[-1] == path
            answers[path].go_on()
            assert client.answer() == "waited"
        assert began == LONG_PATHS
        assert clients[0].get("/again") == "/again"


def test_a_stop_answers_requests_that_wait_in_a_lane(run: Callable[..., Server]) -> None:
    server = run()
    server.worker.lane_of = by_path
    server.answers["/long"] = long = Waiting(paused=True)
    with server.clients(4) as (running, *waiting):
        running.ask("/long")
        long.assert_comes()
        for client in waiting:
            client.ask("/long/wait")
        wait_until(lambda: len(server.worker._lanes._queues.get(LONG, ())) == 3)
        server.begin_to_stop()
        wait_until(lambda: not server.worker._accepting)
        long.go_on()
        assert running.answer() == "waited"
        assert [client.answer() for client in waiting] == ["/long/wait (last)"] * 3


def test_a_quick_stop_ends_requests_that_wait_in_a_lane(run: Callable[..., Server]) -> None:
    server = run()
    server.worker.lane_of = by_path
    server.answers["/long"] = long = Waiting(paused=True)
    with server.clients(2) as (running, waiting):
        running.ask("/long")
        long.assert_comes()
        waiting.ask("/long/wait")
        wait_until(lambda: not server.worker._lanes.is_empty())
        server.quit()
        assert waiting.rest() == ""
        long.go_on()
        server.assert_ends()


def test_no_more_requests_wait_in_lanes_than_leave_room_for_others(run: Callable[..., Server]) -> None:
    server = run(worker_connections=6)
    server.worker.lane_of = by_path
    server.answers["/long"] = long = Waiting(paused=True)
    with server.clients(5) as (running, *waiting), server.client() as other:
        running.ask("/long")
        long.assert_comes()
        for client in waiting:
            client.ask("/long/wait")
        refused = next(client for client in waiting if is_readable(client))
        assert refused.answer() == "503"
        assert other.get("/short") == "/short"
        long.go_on()
        assert [client.answer() for client in waiting if client is not refused] == ["/long/wait"] * 3


def is_readable(client: Client) -> bool:
    return bool(select.select([client.connection], [], [], SOON / 10)[0])


def test_clients_that_send_half_a_head_keep_nobody_waiting_for_long(run: Callable[..., Server]) -> None:
    server = run(threads=8)
    with server.clients(6) as halves, server.client() as other:
        for half in halves:
            half.send("GET /half HTTP/1.1\r\nHost:")
        other.connection.settimeout(3)
        assert other.get("/whole") == "/whole"
        for half in halves:
            half.send(" localhost\r\n\r\n")
        assert {half.answer() for half in halves} == {"/half"}


@pytest.mark.usefixtures("_nobody_is_replaced")
def test_half_a_head_holds_no_thread(run: Callable[..., Server]) -> None:
    server = run(threads=1)
    with server.client() as half, server.clients(1) as (other,), server.client() as new:
        half.send("GET /half HTTP/1.1\r\nHost:")
        assert other.get("/whole") == "/whole"
        half.send(" localhost\r\n")
        assert new.get("/new") == "/new"
        half.send("\r\n")
        assert half.answer() == "/half"


def test_a_head_that_comes_byte_by_byte_is_cut_off(run: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_HEAD_SECONDS", 0.5)
    server = run()
    with server.client() as client:
        wait_until(lambda: is_cut_off(client))
    wait_until(lambda: server.worker.nr_conns == 0)


def is_cut_off(client: Client) -> bool:
    try:
        client.send("G")
    except ConnectionError:
        return True
    return False


def test_a_head_without_an_end_is_refused(run: Callable[..., Server]) -> None:
    server = run()
    with server.client() as client:
        client.send("GET / HTTP/1.1\r\n" + "a: b\r\n" * 15_000)
        assert client.answer() == "431"
    wait_until(lambda: server.worker.nr_conns == 0)


def test_connections_that_rested_longest_make_room(run: Callable[..., Server]) -> None:
    server = run(worker_connections=6)
    with server.clients(3) as resting, ExitStack() as stack:
        wait_until(lambda: len(server.worker.keepalived_conns) == 3)  # the leader has let go of them, in their order
        for _ in range(6):
            stack.enter_context(server.client())
        assert [client.rest() for client in resting] == [""] * 3


def test_connections_that_say_nothing_make_room(run: Callable[..., Server]) -> None:
    server = run(worker_connections=6)
    with ExitStack() as stack:
        silent = [stack.enter_context(server.client()) for _ in range(20)]
        assert stack.enter_context(server.client()).get("/new").startswith("/new")
        assert silent[0].rest() == ""


def test_half_heads_make_room(run: Callable[..., Server]) -> None:
    server = run(worker_connections=6)
    with ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(server.client()).send("GET")
        assert stack.enter_context(server.client()).get("/new").startswith("/new")


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_a_worker_without_descriptors_or_memory_accepts_later(run: Callable[..., Server], number: int) -> None:
    server = run()
    refused = threading.Event()

    def refuse() -> None:
        refused.set()
        raise OSError(number, os.strerror(number))

    with server.clients(1) as (client,):
        for _ in range(2):
            refused.clear()
            server.worker.method_queue.defer(server.worker.accept, SimpleNamespace(accept=refuse))
            assert refused.wait(SOON)
            with server.client() as new:
                assert new.get("/new") == "/new"
        assert client.get("/again") == "/again"
    assert server.worker._warn_again_at > time.monotonic()


def test_who_falls_silent_within_a_head_is_cut_off(run: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_HEAD_SECONDS", 0.1)
    server = run()
    with server.client() as client:
        client.send("GET /half HTTP/1.1\r\nHost:")
        assert client.rest() == ""
    wait_until(lambda: server.worker.nr_conns == 0)


def test_requests_that_come_together_are_answered_in_order(run: Callable[..., Server]) -> None:
    server = run()
    server.answers["/2"] = second = Waiting(paused=True)
    with server.clients(2) as (client, _):
        for path in ("/1", "/2", "/3"):
            client.ask(path)
        client.ask("/4", "Connection: close")
        second.assert_comes()  # and another thread leads
        second.go_on()
        bodies = re.findall(r"\r\n\r\n(/\d|waited)", client.rest())
    assert bodies == ["/1", "waited", "/3", "/4"]


@pytest.mark.parametrize("requests", [0, 1])
def test_an_idle_connection_goes_to_the_main_thread_and_back(
    run: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, requests: int
) -> None:
    monkeypatch.setattr(worker, "_BUSY_SECONDS", 0.01)
    server = run()
    with server.client() as client:
        for _ in range(requests):
            client.get("/")
        wait_until(lambda: len(server.worker.keepalived_conns) == 1 and not server.is_led())
        before = server.worker.enqueued
        assert client.get("/again") == "/again"
        wait_until(lambda: len(server.worker.keepalived_conns) == 1)
        assert server.worker.enqueued == before + 1


@pytest.mark.parametrize("raised", [ValueError, SystemExit])
def test_an_exception_ends_its_request_alone(run: Callable[..., Server], raised: type[BaseException]) -> None:
    def fail() -> str:
        raise raised

    server = run()
    server.answers["/fail"] = fail
    with server.clients(2) as (failing, other):
        failing.ask("/fail")
        assert failing.rest().startswith("HTTP/1.1 500" if raised is ValueError else "")
        assert other.get("/other") == "/other"
    wait_until(lambda: server.worker._scheduler._current is None)


def take_the_last_answer(client: Client) -> None:
    client.ask("/", "Connection: close")
    client.rest()


def ask_what_breaks_off(client: Client) -> None:
    client.ask("/broken")
    assert client.rest().endswith("half")


def send_nonsense(client: Client) -> None:
    client.send("nonsense\r\n\r\n")
    assert client.rest().startswith("HTTP/1.1 400")


def leave_half_a_head(client: Client) -> None:
    client.send("GET")
    client.close()


@pytest.mark.parametrize(
    "end",
    [Client.close, Client.reset, take_the_last_answer, ask_what_breaks_off, send_nonsense, leave_half_a_head],
    ids=lambda end: end.__name__,
)
def test_a_connection_that_ends_is_counted_once(run: Callable[..., Server], end: Callable[[Client], None]) -> None:
    server = run()
    with server.clients(3) as (ending, *_):
        end(ending)
        ending.close()
        wait_until(lambda: server.worker.nr_conns == 2, lambda: server.worker.nr_conns)


@pytest.mark.usefixtures("_nobody_is_replaced")
def test_a_client_that_does_not_close_keeps_nobody_waiting(run: Callable[..., Server]) -> None:
    server = run()
    with server.clients(2) as (last, resting), server.client() as new:
        last.ask("/", "Connection: close")
        assert last.answer() == "/ (last)"
        assert new.get("/new") == "/new"
        assert resting.get("/resting") == "/resting"
        assert server.worker.nr_conns == 3  # it is still waited for


def test_one_thread_is_enough(run: Callable[..., Server]) -> None:
    server = run(threads=1)
    server.answers["/pause"] = pause
    with server.clients(3) as clients:
        for _ in range(5):
            for client in clients:
                client.ask("/pause")
            assert [client.answer() for client in clients] == ["paused"] * 3
        assert server.worker.tpool._work_queue.qsize() <= 1  # who was called and cannot come is not called again


def pause() -> str:
    with blocking.blocking():
        return "paused"


def test_a_stop_answers_who_has_a_connection(run: Callable[..., Server]) -> None:
    server = run()
    server.answers["/busy"] = busy = Waiting()
    with server.clients(2) as (working, idle), server.client() as new, server.client() as silent:
        wait_until(lambda: server.worker.nr_conns == 4)
        working.ask("/busy")
        busy.assert_comes()
        server.begin_to_stop()
        wait_until(lambda: not server.worker._accepting)
        assert idle.get("/idle") == "/idle (last)"
        assert new.get("/new") == "/new (last)"
        busy.go_on()
        assert working.answer() == "waited"
        assert working.get("/again") == "/again (last)"
        server.assert_ends()
        assert silent.rest() == ""


def test_a_worker_ends_after_its_last_request(run: Callable[..., Server]) -> None:
    server = run(max_requests=2)
    with server.client() as client:
        assert client.get("/first") == "/first"
        assert client.get("/second") == "/second (last)"
    server.assert_ends()


def test_a_worker_whose_master_is_gone_ends_in_order(run: Callable[..., Server]) -> None:
    server = run()
    with server.clients(1) as (client,):
        server.worker.ppid = -1
        wait_until(lambda: not server.worker.alive)
        assert client.get("/again") == "/again (last)"
    server.assert_ends()


@pytest.mark.usefixtures("_nobody_is_replaced", "_nobody_is_idle")
def test_a_request_can_pause_during_a_quick_stop(run: Callable[..., Server]) -> None:
    """Though no other thread can be called any more."""
    server = run()
    busy = Waiting()
    server.answers["/busy"] = lambda: busy() + pause()
    with server.clients(2) as (working, _):
        working.ask("/busy")
        busy.assert_comes()
        server.quit()
        with pytest.raises(RuntimeError, match="after shutdown"):
            server.worker.tpool.submit(int)
        busy.go_on()
        assert working.answer() == "waitedpaused"


def test_second_order_to_end_at_once_is_passed_over() -> None:
    """Wherever the first one interrupted the main thread."""
    server = Server()
    stopping = server.worker
    stopping.tpool = stopping.get_thread_pool()
    with closing(server.listener), closing(server), ThreadPoolExecutor(1) as main:
        with stopping.tpool._shutdown_lock, pytest.raises(SystemExit):
            main.submit(stopping.handle_quit, signal.SIGINT, None).result(SOON)
        main.submit(stopping.handle_quit, signal.SIGQUIT, None).result(SOON)
    assert not stopping.alive


@pytest.mark.usefixtures("_nobody_is_idle")
def test_nobody_leads_when_the_main_thread_has_ended(run: Callable[..., Server]) -> None:
    """Or the process would stay: the interpreter waits for its threads."""
    server = run()
    with server.clients(1):
        assert server.is_led()
        server.quit()
        server.assert_ends()


def test_a_request_that_outlasts_the_stop_writes_into_no_other_file(run: Callable[..., Server]) -> None:
    """The pipe to the main thread is not closed, or its number would be another file's."""
    server = run(graceful_timeout=0)
    server.answers["/busy"] = busy = Waiting()
    number = server.worker.method_queue._write_fd
    with server.client() as client:
        client.ask("/busy", "Connection: close")
        busy.assert_comes()
        server.begin_to_stop()
        server.join()
        opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(20)]  # each has the lowest number that is free
        busy.go_on()
        assert client.answer() == "waited (last)"
    for descriptor in opened:
        os.close(descriptor)
    assert number not in opened
    wait_until(lambda: not server.is_alive())
    server.run_what_is_left()


def test_a_leader_that_fails_is_replaced(run: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> None:
    server = run()
    failed = threading.Event()
    remove = Resting.remove

    def fail_once(resting: Resting, until: float) -> Iterator[Any]:
        if not failed.is_set():
            failed.set()
            raise MemoryError
        return remove(resting, until)

    with server.clients(1) as (client,):
        monkeypatch.setattr(Resting, "remove", fail_once)
        assert failed.wait(SOON)
        assert client.get("/") == "/"


def test_a_service_stops_once_its_transfers_have_ended(tmp_path: Path) -> None:
    with RunningService(tmp_path / "store", WEB_CONCURRENCY="1") as service, ThreadPoolExecutor(1) as threads:
        httpx.post(f"{service.url}/buckets", json={"name": "worker"}, headers=bearer()).raise_for_status()
        headers = [*bearer().items(), ("Content-Type", "text/plain"), ("Content-Length", "6")]
        start_line = "PUT /files/upload-direct/worker/a"
        with SlowClient(service, start_line, headers) as slow, closing(Client(service.port)) as idle:
            slow.send(b"abc")
            wait_until(lambda: takes_bytes_in(service, service.worker_pids()[0]))
            assert idle.get("/health")
            with closing(Client(service.port)):
                stopping = threads.submit(service.stop)
                wait_until(lambda: idle.get("/health").endswith("(last)"))
                slow.send(b"def")
                assert slow.answer().status == 201
                assert stopping.result(SOON) == 0
        assert "Traceback" not in service.log()
