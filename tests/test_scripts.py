"""run.sh, run_tests.sh and what they stand on, as someone with a fresh clone and a bare Python meets them."""

import fcntl
import json
import re
import shutil
import signal
import socket
import stat
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scripts import bootstrap
from storage_app.version import __version__
from tests.support.checkout import ROOT, Running, copy_checkout
from tests.support.service import free_port

WAITING = "Waiting for another start, which is preparing this checkout ..."
SCRIPTS = ["run.sh", "run_tests.sh", "scripts/lib.sh", "scripts/lock.sh", ".ci/run"]


def run(*command: str | Path, cwd: Path = ROOT, **environ: str) -> tuple[int, str]:
    with Running(*command, cwd=cwd, **environ) as running:
        return running.end(seconds=180), running.output


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_parses(script: str) -> None:
    assert run("bash", "-n", script) == (0, "")


@pytest.mark.parametrize("script", ["run.sh", "run_tests.sh", "scripts/lock.sh", ".ci/run"])
def test_script_is_executable(script: str) -> None:
    assert (ROOT / script).stat().st_mode & stat.S_IXUSR


@pytest.mark.parametrize("script", ["run.sh", "run_tests.sh"])
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_works_from_any_folder(script: str, option: str, tmp_path: Path) -> None:
    (tmp_path / "link.sh").symlink_to(ROOT / script)
    for path in (ROOT / script, tmp_path / "link.sh"):
        status, output = run(path, option, cwd=tmp_path)
        assert (status, output.splitlines()[0].split()[:2]) == (0, ["Usage:", f"./{script}"])


def test_run_refuses_what_it_does_not_know() -> None:
    status, output = run("./run.sh", "--prot", "9000")
    said, usage = output.split("\n\n", 1)
    assert (status, usage.split()[0]) == (2, "Usage:")
    assert said.startswith("./run.sh takes no argument '--prot': settings come from")


def test_help_of_the_tests_names_every_form() -> None:
    _, output = run("./run_tests.sh", "--help")
    assert [form for form in ("--check", "--no-skips", "--ci", "--long") if f"\n  {form} " not in output] == []


@pytest.mark.parametrize("script", ["run.sh", "run_tests.sh"])
def test_missing_python_is_one_sentence_that_says_what_to_install(script: str, tmp_path: Path) -> None:
    for tool in ("bash", "dirname", "readlink", "cat"):
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))
    (tmp_path / "python3").write_text("#!/bin/sh\nexit 1\n")  # as one that is too old answers
    (tmp_path / "python3").chmod(0o755)
    status, output = run(tmp_path / "bash", script, PATH=str(tmp_path))
    assert status == 1
    assert re.fullmatch(r"Python 3\.11 or newer is needed .* apt-get install python3 python3-venv\)\.\n", output)


def test_missing_venv_module_is_one_sentence_that_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(SystemExit, match=rf"apt-get install python3\.{sys.version_info.minor}-venv"):
        bootstrap.check_venv_module()


def test_env_is_written_for_its_owner_only_and_never_again(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    bootstrap.write_env(path)
    written = path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(set(re.findall(r"^(?:SECRET|ANON)_KEY=(\S{32,})$", written, re.MULTILINE))) == 2
    bootstrap.write_env(path)
    assert path.read_text() == written
    assert list(tmp_path.iterdir()) == [path]


def test_env_that_is_a_dangling_link_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".env").symlink_to("elsewhere")
    bootstrap.write_env(tmp_path / ".env")
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with nothing to install but its command, so that making it ready is quick."""
    checkout = copy_checkout(tmp_path_factory.mktemp("bare") / "a clone with spaces")
    (checkout / "requirements.txt").write_text("")
    return checkout


def prepare(checkout: Path) -> tuple[int, str]:
    return run(sys.executable, checkout / "scripts/bootstrap.py", "--write-env", "requirements.txt", cwd=Path("/"))


def test_two_at_a_time_make_one_environment_and_one_env(bare: Path) -> None:
    with ThreadPoolExecutor() as pool:
        outputs = [output for _, output in pool.map(prepare, [bare, bare])]
    made, waited = sorted(outputs, key=len, reverse=True)
    assert "Making the virtual environment" in made
    assert waited in ("", f"{WAITING}\n")  # the second finds everything done
    assert (bare / ".venv/bin/pip").exists()
    assert (bare / ".env").exists()


def test_start_that_waits_for_another_says_so(bare: Path) -> None:
    with (bare / ".setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = [sys.executable, "scripts/bootstrap.py", "requirements.txt"]
        with Running(*command, cwd=bare) as running:
            running.read_until(WAITING)
            fcntl.flock(lock, fcntl.LOCK_UN)
            assert running.end() == 0


def test_environment_of_a_moved_checkout_is_made_again(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert prepare(bare)[0] == 0
    moved = shutil.copytree(bare / ".venv", tmp_path / ".venv", symlinks=True)
    for venv, works in ((bare / ".venv", True), (moved, False)):
        monkeypatch.setattr(bootstrap, "VENV", venv)
        monkeypatch.setattr(bootstrap, "PYTHON", venv / "bin" / "python")
        assert bootstrap.venv_works() is works


def test_prepared_checkout_says_nothing(bare: Path) -> None:
    assert prepare(bare)[0] == 0
    assert prepare(bare) == (0, "")


def test_environment_of_another_checkout_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other, link = tmp_path / "other", tmp_path / ".venv"
    other.mkdir()
    (other / "kept").touch()
    link.symlink_to(other)
    monkeypatch.setattr(bootstrap, "VENV", link)
    monkeypatch.setattr(bootstrap, "run", lambda command, lock: Path(command[-1]).mkdir())  # fails on a link
    bootstrap.make_venv(0)
    assert not link.is_symlink()
    assert [path.name for path in other.iterdir()] == ["kept"]
    assert str(other) in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_during_the_installation_ends_everything(bare: Path, number: signal.Signals) -> None:
    (bare / "requirements.txt").write_text(f"never-answered==1.0 --hash=sha256:{'0' * 64}\n")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        index = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        environ = {"PIP_INDEX_URL": index, "PIP_CONFIG_FILE": "/dev/null"}
        # The connection tells that pip is at work.
        with Running("./run.sh", cwd=bare, **environ) as running, silent.accept()[0]:
            running.read_until("Installing requirements.txt into .venv")
            assert running.end(number, seconds=20) == 128 + number
            assert not running.alive()


def test_packages_are_named_once_as_pip_comes_to_them(capsys: pytest.CaptureFixture[str]) -> None:
    progress = bootstrap.Progress(4)
    for line in (
        "Looking in indexes: https://somebody:secret@index.example/simple",
        "Collecting psycopg[binary]==3.3.9 (from -r requirements.txt (line 224))",
        "  Downloading psycopg-3.3.9-py3-none-any.whl (219 kB)",
        "Processing /srv/wheels/flask_cors-6.0.5-py3-none-any.whl (from -r requirements.txt (line 25))",
        "Requirement already satisfied: pip==26.1 in ./lib (from -r requirements.txt (line 1)) (26.1)",
        "Requirement already satisfied: pip>=20 in ./lib (from flask==3.1.3) (26.1)",
        "WARNING: Retrying (Retry(total=4, ...)) after connection broken",
        "Installing collected packages: psycopg, flask-cors",
    ):
        progress.show(f"{line}\n")
    assert capsys.readouterr().err.splitlines() == [
        "   1 of 4  psycopg",
        "   2 of 4  flask-cors",
        "   3 of 4  pip",
        "WARNING: Retrying (Retry(total=4, ...)) after connection broken",
        "Unpacking and compiling them ...",
    ]


def test_step_that_fails_shows_everything_that_it_printed(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^This step failed with exit code 3; its message is above: sh -c"):
        bootstrap.run(["sh", "-c", "echo out; echo err >&2; exit 3"], 0)
    assert capfd.readouterr().err.split() == ["out", "err"]


def test_step_that_succeeds_shows_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    bootstrap.run(["sh", "-c", "echo out; echo err >&2"], 0)
    assert capfd.readouterr() == ("", "")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_checkout(tmp_path_factory.mktemp("scripts") / "clone")


@pytest.fixture(scope="module")
def service(clone: Path) -> Iterator[tuple[Running, str]]:
    """The service as ./run.sh starts it in a fresh clone, and its address."""
    port = free_port()
    with Running(clone / "run.sh", cwd=Path("/"), PORT=str(port), WEB_CONCURRENCY="2") as running:
        running.read_until("Ctrl-C", seconds=300)
        yield running, f"http://localhost:{port}"


def get(url: str) -> dict[str, object]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=30) as answer:
        return dict(json.load(answer))


@pytest.mark.slow
def test_run_serves_at_the_port_asked_for(service: tuple[Running, str]) -> None:
    running, address = service
    assert get(f"{address}/health") == {"status": "healthy"}
    said = running.output
    assert f"SelfDB storage {__version__} listens on http://127.0.0.1:{address.rpartition(':')[2]}\n" in said
    assert said.index("listens on") < said.index(f"{address}/docs")
    named = re.findall(r"^ +(\d+) of (\d+)  [\w.-]+$", said, re.MULTILINE)
    assert [int(number) for number, _ in named] == list(range(1, int(named[0][1]) + 1))


@pytest.mark.slow
def test_run_prints_a_command_that_makes_a_token(service: tuple[Running, str], tmp_path: Path) -> None:
    hint = re.search(r"A token +(.*)", service[0].output)
    assert hint
    status, output = run("bash", "-c", hint[1], cwd=tmp_path)
    assert (status, output.count(".")) == (0, 2)  # a JWT: three parts


@pytest.mark.slow
def test_second_start_on_a_used_port_is_one_sentence(service: tuple[Running, str], clone: Path) -> None:
    port = service[1].rpartition(":")[2]
    status, output = run("./run.sh", cwd=clone, PORT=port)
    assert status == 1
    assert output.splitlines()[-1].startswith(f"Port {port} of 127.0.0.1 is in use by another program:")
    assert get(f"{service[1]}/health") == {"status": "healthy"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("PORT", "eighty", "PORT must be a whole number from 1 to 65535, not 'eighty': "),
        ("SECRET_KEY", "short", "SECRET_KEY must be at least 32 bytes of UTF-8: "),
        ("STORAGE_PATH", "/dev/null/files", "STORAGE_PATH"),
    ],
)
def test_wrong_setting_is_one_sentence(
    service: tuple[Running, str], clone: Path, name: str, value: str, sentence: str
) -> None:
    status, output = run("./run.sh", cwd=clone, **{"PORT": str(free_port()), name: value})
    assert status == 1
    # What the recovery says stands in a line of the log.
    assert re.match(rf"(\S+ ERROR \[-\] [\w.]+: )?{re.escape(sentence)}", output.splitlines()[-1])
    assert "Traceback" not in output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "everybody"), [(signal.SIGTERM, False), (signal.SIGINT, False), (signal.SIGINT, True)]
)
def test_one_signal_ends_everything(
    service: tuple[Running, str], clone: Path, number: signal.Signals, everybody: bool
) -> None:
    with Running("./run.sh", cwd=clone, PORT=str(free_port()), STORAGE_PATH="./data-of-another") as second:
        second.read_until("Ctrl-C")
        assert second.end(number, everybody=everybody) == 0
        assert not second.alive()
        assert "Traceback" not in second.output


def test_skips_are_failures_when_asked(tmp_path: Path) -> None:
    (tmp_path / "test_skip.py").write_text("import pytest\ndef test(): pytest.skip('no engine')\n")
    (tmp_path / "test_module.py").write_text("import pytest\npytest.importorskip('no_such_module')\n")
    (tmp_path / "test_xfail.py").write_text("import pytest\n@pytest.mark.xfail\ndef test(): assert False\n")
    command = [*pytest_command("no_skips", tmp_path), "--continue-on-collection-errors"]
    status, output = run(*command)
    assert (status, summary(output)) == (0, "2 skipped, 1 xfailed")
    status, output = run(*command, "--fail-on-skip")
    assert (status, summary(output)) == (1, "1 failed, 1 xfailed, 1 error")
    assert "no engine" in output


def summary(output: str) -> str:
    return output.splitlines()[-1].partition(" in ")[0].strip("= ")


def test_sigterm_tears_down_what_the_tests_started(tmp_path: Path) -> None:
    path = tmp_path / "test_endless.py"
    path.write_text(
        "import signal, pytest\n"
        "@pytest.fixture\n"
        "def started():\n    yield\n    print('torn down', flush=True)\n"
        "def test(started):\n    print('started', flush=True)\n    signal.pause()\n"
    )
    data = tmp_path / "coverage"
    data.touch()
    with Running(*pytest_command("orderly_end", path), "-s", cwd=ROOT, COVERAGE_FILE=str(data)) as running:
        running.read_until("started")
        assert running.end(signal.SIGTERM) == pytest.ExitCode.INTERRUPTED
        assert "torn down" in running.output
    assert not data.exists()


def pytest_command(plugin: str, path: Path) -> list[str]:
    options = ["-p", f"tests.plugins.{plugin}", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir=/"]
    # Without the installed plugins, which take seconds to load.
    return ["env", "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1", sys.executable, "-m", "pytest", *options, str(path)]
