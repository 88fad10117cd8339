"""Prepare the checkout: a virtual environment with the locked requirements and, on demand, a .env with random keys.

It runs on a bare Python 3.11, so it imports only the standard library. Concurrent runs wait for each other.
"""

import argparse
import contextlib
import fcntl
import hashlib
import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"

# The lines by which pip tells that it has come to a package, wherever that comes from.
PACKAGE = re.compile(r"(?:Collecting|Requirement already satisfied:) ([\w.-]+)|Processing \S*/(\w+)-")

ENV_FILE = """\
# Written by run.sh, which never changes it again. The environment wins over it; .env.example shows every setting.
SECRET_KEY={secret_key}
ANON_KEY={anon_key}
PORT=8001
BASE_URL=http://localhost:${{PORT}}
STORAGE_SERVICE_PUBLIC_URL=http://localhost:${{PORT}}
STORAGE_PATH=./data
"""


def main() -> None:
    arguments = parse_arguments()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    with only_one() as lock:
        make_venv(lock)
        install(arguments.requirements, lock)
        if arguments.write_env:
            write_env(ROOT / ".env")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("requirements", help="the locked requirements to install, such as requirements.txt")
    parser.add_argument("--write-env", action="store_true", help="write .env with random keys where there is none")
    return parser.parse_args()


@contextlib.contextmanager
def only_one() -> Iterator[int]:
    """Hold the setup lock of the checkout, and yield its descriptor."""
    with (ROOT / ".setup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another start, which is preparing this checkout ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


def make_venv(lock: int) -> None:
    """Create .venv, anew if it is broken, too old or was moved here from another folder."""
    if venv_works():
        return
    check_venv_module()
    if VENV.is_symlink():
        say(f"Removing the link .venv; what it leads to, {VENV.readlink()}, stays as it is.")
        VENV.unlink()  # --clear would empty the folder that it leads to
    say("Making the virtual environment .venv ...")
    run([sys.executable, "-m", "venv", "--clear", str(VENV)], lock)


def venv_works() -> bool:
    """Tell whether .venv is complete, in its place, and has a Python that is new enough."""
    # pip's script holds the absolute path of its interpreter, which shows whether the folder was moved.
    pip = VENV / "bin" / "pip"
    if not pip.is_file() or str(VENV / "bin") not in pip.read_text(errors="replace"):
        return False
    probe = [str(PYTHON), "-c", "import pip, sys; sys.exit(sys.version_info < (3, 11))"]
    return PYTHON.exists() and subprocess.run(probe, capture_output=True, check=False).returncode == 0


def check_venv_module() -> None:
    """Exit with a message if this Python cannot create virtual environments."""
    try:
        import ensurepip  # noqa: F401, PLC0415
        import venv  # noqa: F401, PLC0415
    except ImportError:
        package = f"python3.{sys.version_info.minor}-venv"
        sys.exit(
            f"{sys.executable} cannot make virtual environments: install its venv module "
            f"(Debian and Ubuntu: apt-get install {package}) and run this again."
        )


def install(requirements: str, lock: int) -> None:
    """Install exactly the locked requirements, and then the command of this checkout, unless they are there already."""
    locked = [ROOT / "requirements-build.txt", ROOT / requirements]
    once(requirements, locked, lambda: install_requirements(locked, lock))
    once("selfdb-storage", [ROOT / "pyproject.toml"], lambda: install_command(lock))


def once(name: str, inputs: list[Path], step: Callable[[], None]) -> None:
    """Run a step, unless it has succeeded in this .venv and the files that it reads are as they were then."""
    stamp = VENV / f"{name}.sha256"
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in inputs)).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        step()
        stamp.write_text(digest)


def install_requirements(locked: list[Path], lock: int) -> None:
    # All pins but those for another system.
    pins = re.findall(r"^[\w.-]+(?:\[[^]]*\])?==(?!.*win32)", "".join(map(Path.read_text, locked)), re.MULTILINE)
    say(f"Installing {locked[-1].name} into .venv, which takes up to a minute ...")
    pip(["--require-hashes", *(f"--requirement={path}" for path in locked)], lock, Progress(len(pins)).show)


def install_command(lock: int) -> None:
    say("Installing the command .venv/bin/selfdb-storage ...")
    pip(["--no-deps", "--no-build-isolation", f"--editable={ROOT}"], lock)


def pip(arguments: list[str], lock: int, show: Callable[[str], None] | None = None) -> None:
    options = ["--disable-pip-version-check", "--no-input", "--progress-bar=off"]
    run([str(PYTHON), "-m", "pip", "install", *options, *arguments], lock, show)


class Progress:
    """What a person sees of pip's output: the name of each package when its turn comes, and why pip waits."""

    def __init__(self, packages: int) -> None:
        self._packages = packages
        self._seen: set[str] = set()

    def show(self, line: str) -> None:
        """Take a line that pip has printed."""
        if (found := PACKAGE.match(line)) and (name := found[1] or found[2].replace("_", "-")) not in self._seen:
            self._seen.add(name)
            say(f"{len(self._seen):4} of {self._packages}  {name}")
        elif line.startswith("Installing collected packages"):
            say("Unpacking and compiling them ...")
        elif line.startswith("WARNING: Retrying"):
            say(line.rstrip())


def write_env(path: Path) -> None:
    """Write new random keys, readable by the owner only, unless the file exists. The write is atomic."""
    if path.is_symlink() or path.exists():
        return
    text = ENV_FILE.format(secret_key=secrets.token_urlsafe(48), anon_key=secrets.token_urlsafe(32))
    staged = path.with_name(".env.new")
    staged.unlink(missing_ok=True)
    with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        os.fsync(file.fileno())
    staged.rename(path)
    say("Wrote .env with new random keys.")


def run(command: list[str], lock: int, show: Callable[[str], None] | None = None) -> None:
    """Run a step to its end, and `show` each line that it prints. If it fails, print them all, and exit.

    A signal ends the step too. The step inherits the lock, in case this process is killed.
    """
    printed = []
    output: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    with subprocess.Popen(command, pass_fds=[lock], **output) as step:
        try:
            for line in step.stdout or ():
                printed.append(line)
                if show:
                    show(line)
        except BaseException:
            step.kill()
            raise
    if step.returncode != 0:
        say("".join(printed))
        sys.exit(f"This step failed with exit code {step.returncode}; its message is above: {' '.join(command)}")


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
