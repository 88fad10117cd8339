"""gunicorn.conf.py: what it makes of the settings, and how a start that cannot work ends."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from storage_app.errors import StoreUnusable

PATH = Path(__file__).resolve().parent.parent / "gunicorn.conf.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gunicorn_conf", PATH)
    assert spec
    assert spec.loader
    conf = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(conf)
    return conf


@pytest.fixture
def conf(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("SECRET_KEY", "k" * 32)
    conf = load()
    monkeypatch.setattr(conf, "keep_signals_over_fork", lambda: None)  # cannot be undone, so not in this process
    return conf


@pytest.fixture
def _signals() -> object:
    """Puts back the handlers that a test replaces."""
    kept = {number: signal.getsignal(number) for number in (1, 2, 3, 15)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("host", "bind"), [("0.0.0.0", "0.0.0.0:9000"), ("::1", "[::1]:9000")])
def test_address_and_counts_come_from_the_settings(host: str, bind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"SECRET_KEY": "k" * 32, "HOST": host, "PORT": "9000", "WEB_CONCURRENCY": "3", "THREADS": "5"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    conf = load()
    assert (conf.bind, conf.workers, conf.threads) == ([bind], 3, 5)


def test_wrong_setting_ends_the_start_with_its_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "short")
    with pytest.raises(SystemExit, match=r"^SECRET_KEY must be at least 32 bytes"):
        load()


def server(*addresses: object, master_pid: int = 0) -> SimpleNamespace:
    return SimpleNamespace(cfg=SimpleNamespace(address=addresses), master_pid=master_pid)


def test_used_port_is_one_sentence(conf: ModuleType) -> None:
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = used.getsockname()[1]
        with pytest.raises(SystemExit, match=rf"^Port {port} of 127\.0\.0\.1 is in use by another program: .*\.$"):
            conf.check_addresses(server(("127.0.0.1", port)))
        conf.check_addresses(server(("127.0.0.1", port), master_pid=1))  # handed over by a running gunicorn
    conf.check_addresses(server(("127.0.0.1", port), "/run/socket"))


def test_address_of_another_machine_is_one_sentence(conf: ModuleType) -> None:
    with pytest.raises(SystemExit, match=r"^Cannot listen on port 9000 of 192\.0\.2\.1 \(.+\): .*\.$"):
        conf.check_addresses(server(("192.0.2.1", 9000)))


def on_starting(recover: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `on_starting` in a process of one thread, as gunicorn's master is; `recover` stands for the recovery."""
    script = f"""if True:
        import os, runpy, signal, sys
        from types import SimpleNamespace
        conf = runpy.run_path("gunicorn.conf.py")
        def recover():
            {recover or "saved()"}
        saved, conf["on_starting"].__globals__["recover"] = conf["recover"], recover
        conf["on_starting"](SimpleNamespace(cfg=SimpleNamespace(address=[]), master_pid=0))
    """
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=PATH.parent,
        env={"SECRET_KEY": "k" * 32, **environment},
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
    """Stands for the application's lifecycle, and notes what is asked of it."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls: list[str] = []
        self.error = error

    def start(self) -> None:
        self.calls.append("start")
        if self.error:
            raise self.error

    def stop(self) -> None:
        self.calls.append("stop")


def worker(storage: Storage | None, **more: object) -> SimpleNamespace:
    wsgi = {} if storage is None else {"wsgi": SimpleNamespace(extensions={"storage": storage})}
    return SimpleNamespace(**({"pid": os.getpid(), "alive": True} | wsgi | more))


def test_worker_starts_and_stops_the_store(conf: ModuleType) -> None:
    storage = Storage()
    conf.post_worker_init(worker(storage))
    conf.worker_exit(server(), worker(storage))
    assert storage.calls == ["start", "stop"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGTERM])
@pytest.mark.usefixtures("_signals")
def test_order_to_end_waits_until_the_store_is_open(conf: ModuleType, number: signal.Signals) -> None:
    class Interrupted(Storage):
        def start(self) -> None:
            super().start()
            signal.raise_signal(number)
            self.calls.append("opened")

    storage = Interrupted()
    signal.signal(number, lambda *_: storage.calls.append("told to end"))
    conf.post_worker_init(worker(storage))
    assert storage.calls == ["start", "opened", "told to end"]


def test_master_stops_no_store_for_a_worker_found_gone(conf: ModuleType) -> None:
    storage = Storage()
    conf.worker_exit(server(), worker(storage, pid=os.getpid() + 1))
    assert storage.calls == []


def test_signal_between_fork_and_a_workers_own_handlers_is_not_lost() -> None:
    script = """if True:
        import os, runpy, signal
        conf = runpy.run_path("gunicorn.conf.py")
        signal.signal(signal.SIGTERM, lambda *_: None)  # as gunicorn's master has it
        os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGTERM))
        conf["keep_signals_over_fork"]()
        child = os.fork()
        if child == 0:
            os._exit(9)
        print(os.waitpid(child, 0)[1], signal.pthread_sigmask(signal.SIG_BLOCK, []))
    """
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PATH.parent,
        env={"SECRET_KEY": "k" * 32},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "0 set()\n"


def test_worker_told_to_end_while_loading_ends_quietly(conf: ModuleType) -> None:
    conf.worker_exit(server(), worker(None, alive=False))


def test_only_the_first_worker_that_cannot_start_ends_the_server(conf: ModuleType) -> None:
    codes = []
    for _ in range(3):
        with pytest.raises(SystemExit) as caught:
            conf.worker_exit(server(), worker(None))
        codes.append(caught.value.code)
    assert codes == [conf.WORKER_BOOT_ERROR, 1, 1]


def test_store_that_cannot_be_opened_yet_ends_nobody(conf: ModuleType) -> None:
    """The others go on, and this one tries again with every request."""
    lines: list[str] = []
    log = SimpleNamespace(error=lambda message, *values: lines.append(message % values))
    conf.post_worker_init(worker(Storage(StoreUnusable("STORAGE_PATH /x cannot be written.")), log=log))
    assert lines == ["The store could not be opened yet: STORAGE_PATH /x cannot be written."]
