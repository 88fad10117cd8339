"""gunicorn's hooks: how a start that cannot work ends, and when a worker opens and closes the store."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from gunicorn import util

from storage_app.errors import StoreUnusable
from storage_app.host import clients, measures
from storage_app.metrics import Metrics
from storage_app.server import lifecycle
from storage_app.server.lifecycle import Lifecycle, Logger
from storage_app.server.places import places
from storage_app.settings import load_settings
from tests.support.environment import clean_environment
from tests.support.service import ROOT


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lifecycle]:
    monkeypatch.setattr(util, "write_error", util.write_error)  # put back afterwards
    monkeypatch.setattr(Logger, "settings", None, raising=False)
    yield Lifecycle(load_settings({"SECRET_KEY": "k" * 32}))
    clients.install(None)
    measures.install(None)
    places.limit(None)


@pytest.fixture
def _signals() -> object:
    """Puts back the handlers that a test replaces."""
    kept = {number: signal.getsignal(number) for number in (1, 2, 3, 15)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def server(*addresses: object, master_pid: int = 0) -> SimpleNamespace:
    return SimpleNamespace(cfg=SimpleNamespace(address=addresses), master_pid=master_pid)


def test_used_port_is_one_sentence(hooks: Lifecycle) -> None:
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = used.getsockname()[1]
        with pytest.raises(SystemExit, match=rf"^Port {port} of 127\.0\.0\.1 is in use by another program: .*\.$"):
            lifecycle.check_addresses(server(("127.0.0.1", port)))
        lifecycle.check_addresses(server(("127.0.0.1", port), master_pid=1))  # handed over by a running gunicorn
    lifecycle.check_addresses(server(("127.0.0.1", port), "/run/socket"))


def test_address_of_another_machine_is_one_sentence(hooks: Lifecycle) -> None:
    with pytest.raises(SystemExit, match=r"^Cannot listen on port 9000 of 192\.0\.2\.1 \(.+\): .*\.$"):
        lifecycle.check_addresses(server(("192.0.2.1", 9000)))


def on_starting(recover: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `on_starting` in a process of one thread, as gunicorn's master is; `recover` stands for the recovery."""
    script = f"""if True:
        import os, signal, sys
        from types import SimpleNamespace
        from storage_app.server.lifecycle import Lifecycle
        from storage_app.settings import load_settings
        class Hooks(Lifecycle):
            def recover(self):
                {recover or "super().recover()"}
        Hooks(load_settings()).on_starting(SimpleNamespace(cfg=SimpleNamespace(address=[]), master_pid=0))
    """
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=clean_environment({"SECRET_KEY": "k" * 32, **environment}),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("recover", "code"),
    [("sys.exit(0)", 0), ("sys.exit(1)", 1), ("sys.exit(7)", 7), ("os.kill(os.getpid(), signal.SIGKILL)", 1)],
)
def test_failed_recovery_ends_the_start(recover: str, code: int) -> None:
    assert on_starting(recover).returncode == code


def test_recovery_runs_before_the_workers(tmp_path: Path) -> None:
    done = on_starting(STORAGE_PATH=str(tmp_path / "store"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "store" / ".system" / "index.sqlite3").exists()


def test_signal_during_recovery_ends_the_recovery_too(tmp_path: Path) -> None:
    recovery = tmp_path / "pid"
    write = f"open({str(recovery)!r}, 'w').write(str(os.getpid()))"
    done = on_starting(f"{write}; os.kill(os.getppid(), signal.SIGTERM); signal.pause()")
    assert done.returncode == 128 + signal.SIGTERM
    assert not Path(f"/proc/{recovery.read_text()}").exists()


class Storage:
    """Stands for the application's lifecycle, and intents what is asked of it."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls: list[str] = []
        self.error = error

    def start(self) -> None:
        self.calls.append("start")
        if self.error:
            raise self.error

    def stop(self) -> None:
        self.calls.append("stop")

    def uploads_in_progress(self) -> int:
        return 0


def worker(storage: Storage | None, **more: object) -> SimpleNamespace:
    extensions = {"storage": storage, "metrics": Metrics()}
    wsgi = {} if storage is None else {"wsgi": SimpleNamespace(extensions=extensions, wsgi_app=None)}
    return SimpleNamespace(**({"pid": os.getpid(), "alive": True} | wsgi | more))


def test_worker_starts_and_stops_the_store(hooks: Lifecycle) -> None:
    storage = Storage()
    hooks.post_worker_init(worker(storage))
    hooks.worker_exit(server(), worker(storage))
    assert storage.calls == ["start", "stop"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGTERM])
@pytest.mark.usefixtures("_signals")
def test_order_to_end_waits_until_the_store_is_open(hooks: Lifecycle, number: signal.Signals) -> None:
    class Interrupted(Storage):
        def start(self) -> None:
            super().start()
            signal.raise_signal(number)
            self.calls.append("opened")

    storage = Interrupted()
    signal.signal(number, lambda *_: storage.calls.append("told to end"))
    hooks.post_worker_init(worker(storage))
    assert storage.calls == ["start", "opened", "told to end"]


def test_master_stops_no_store_for_a_worker_found_gone(hooks: Lifecycle) -> None:
    storage = Storage()
    hooks.worker_exit(server(), worker(storage, pid=os.getpid() + 1))
    assert storage.calls == []


def test_signal_between_fork_and_a_workers_own_handlers_is_not_lost() -> None:
    script = """if True:
        import os, signal
        from storage_app.server.lifecycle import keep_signals_over_fork
        signal.signal(signal.SIGTERM, lambda *_: None)  # as gunicorn's master has it
        os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGTERM))
        keep_signals_over_fork()
        child = os.fork()
        if child == 0:
            os._exit(9)
        print(os.waitpid(child, 0)[1], signal.pthread_sigmask(signal.SIG_BLOCK, []))
    """
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=clean_environment({"SECRET_KEY": "k" * 32}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "0 set()\n"


def test_worker_told_to_end_while_loading_ends_quietly(hooks: Lifecycle) -> None:
    hooks.worker_exit(server(), worker(None, alive=False))


def test_only_the_first_worker_that_cannot_start_ends_the_server(hooks: Lifecycle) -> None:
    codes = []
    for _ in range(3):
        with pytest.raises(SystemExit) as caught:
            hooks.worker_exit(server(), worker(None))
        codes.append(caught.value.code)
    assert codes == [lifecycle.WORKER_BOOT_ERROR, 1, 1]


def test_store_that_cannot_be_opened_yet_ends_nobody(hooks: Lifecycle) -> None:
    """The others go on, and this one tries again with every request."""
    lines: list[str] = []
    log = SimpleNamespace(error=lambda message, *values: lines.append(message % values))
    hooks.post_worker_init(worker(Storage(StoreUnusable("STORAGE_PATH /x cannot be written.")), log=log))
    assert lines == ["The store could not be opened yet: STORAGE_PATH /x cannot be written."]


@pytest.mark.parametrize(
    ("error", "log_level", "logged"),
    [
        ("TimeoutError", "INFO", ""),
        ("TimeoutError", "DEBUG", "A client fell silent: Socket error processing request."),
        ("OSError", "INFO", "Traceback"),
    ],
)
def test_client_that_falls_silent_is_no_failure(error: str, log_level: str, logged: str) -> None:
    """gunicorn logs every OSError of a connection as it does here, by `exception` while it handles the error."""
    script = f"""if True:
        from gunicorn.config import Config
        from storage_app.server.lifecycle import Lifecycle, Logger
        from storage_app.settings import load_settings
        Lifecycle(load_settings())
        config = Config()
        config.set("loglevel", "{log_level.lower()}")
        log = Logger(config)
        try:
            raise {error}
        except OSError:
            log.exception("Socket error processing request.")
    """
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=clean_environment({"SECRET_KEY": "k" * 32, "LOG_LEVEL": log_level}),
        capture_output=True,
        text=True,
        check=True,
    )
    output = done.stdout + done.stderr
    assert logged in output
    assert ("Traceback" in output) == (error == "OSError")
    assert bool(output) == bool(logged)


@pytest.mark.parametrize(
    ("descriptors", "threads", "connections"), [(1_048_576, 32, 1000), (1024, 32, 768), (256, 8, 144), (64, 32, 33)]
)
def test_connections_leave_descriptors_for_requests(descriptors: int, threads: int, connections: int) -> None:
    assert lifecycle.max_connections(descriptors, threads) == connections


@pytest.mark.parametrize(("threads", "count"), [(1, 1), (2, 1), (3, 2), (8, 6), (32, 24)])
def test_some_threads_never_wait_for_clients(threads: int, count: int) -> None:
    assert lifecycle.places_for(threads) == count


def test_garbage_collection_in_a_worker_copies_no_memory_of_its_master() -> None:
    script = """if True:
        import gc, logging, os, re
        from types import SimpleNamespace
        from storage_app.server.lifecycle import Lifecycle
        from storage_app.settings import load_settings
        def copied():
            with open("/proc/self/smaps_rollup") as rollup:
                return int(re.search(r"Private_Dirty:\\s+(\\d+) kB", rollup.read())[1])
        Lifecycle(load_settings()).pre_fork(SimpleNamespace(WORKERS={}, log=logging), SimpleNamespace())
        if os.fork() == 0:
            before = copied()
            gc.collect()
            print(copied() - before, flush=True)
            os._exit(0)
        os.wait()
    """
    environment = clean_environment({"SECRET_KEY": "k" * 32})
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, check=True)
    assert int(run.stdout) < 2048
