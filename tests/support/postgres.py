"""A throwaway PostgreSQL server on loopback, whose own order of text is not that of bytes."""

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

from tests.support.service import free_port, wait_briefly

START_SECONDS = 30
# PostgreSQL refuses to run as root.
UNPRIVILEGED = "nobody"
# Debian's C locales alone are always there; ICU has the others. In German, "a" < "B" < "ä", and hyphens count little.
INITDB = ["--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=de-DE"]
# What a crash of the machine would lose does not matter here.
QUICK = ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "max_connections=100"]


def binaries() -> Path | None:
    """Return where Debian keeps the newest server's programs, None when there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


class PostgresServer:
    """A server with its files in a directory of its own; `database` makes a new, empty one. Use as a context."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._directory = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._port = free_port()
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None

    def database(self) -> str:
        """Make a database and return its URL."""
        name = f"index_{next(self._numbers)}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self._url(name)

    def __enter__(self) -> "PostgresServer":
        if os.geteuid() == 0:
            shutil.chown(self._directory, UNPRIVILEGED)
        data = self._directory / "data"
        initdb = self._command("initdb", "-D", str(data), "-U", "postgres", *INITDB)
        subprocess.run(initdb, check=True, capture_output=True, cwd=self._directory)
        options = ["-c", "listen_addresses=127.0.0.1", "-p", str(self._port), "-k", str(self._directory), *QUICK]
        with (self._directory / "log").open("wb") as log:
            command = self._command("postgres", "-D", str(data), *options)
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._directory)
        self._wait_until_ready()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)  # at once, without writing anything out
            self._process.wait(START_SECONDS)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self._port}/{database}"

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                psycopg.connect(self._url("postgres")).close()
                return
            except psycopg.OperationalError:
                wait_briefly()
        raise RuntimeError(f"PostgreSQL did not start: {(self._directory / 'log').read_text()}")

    def _command(self, program: str, *arguments: str) -> list[str]:
        """Return how to run `program` as a user that it accepts."""
        command = [str(self._programs / program), *arguments]
        if os.geteuid() != 0:
            return command
        user = pwd.getpwnam(UNPRIVILEGED)
        return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *command]
