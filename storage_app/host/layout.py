"""The layout of STORAGE_PATH, apart from the buckets."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import StoreUnusable


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths under `root`, which is STORAGE_PATH."""

    root: Path

    @property
    def system(self) -> Path:
        return self.root / ".system"

    @property
    def index(self) -> Path:
        return self.system / "index.sqlite3"

    @property
    def events(self) -> Path:
        return self.system / "events.sqlite3"

    @property
    def alive(self) -> Path:
        return self.system / "alive"

    @property
    def staging(self) -> Path:
        return self.system / "staging"

    @property
    def intents(self) -> Path:
        return self.system / "intents"

    @property
    def spool(self) -> Path:
        """The directory for bodies that nginx spools (`client_body_temp_path`)."""
        return self.system / "spool"

    @property
    def resumable(self) -> Path:
        """The directory of the resumable uploads, of which each has its own."""
        return self.system / "resumable"

    @property
    def slots(self) -> Path:
        return self.system / "slots"

    @property
    def lost_and_found(self) -> Path:
        return self.system / "lost+found"

    @property
    def start_lock(self) -> Path:
        return self.system / "start.lock"

    @property
    def collect_lock(self) -> Path:
        return self.system / "collect.lock"

    @property
    def ballast(self) -> Path:
        return self.system / "ballast"

    @property
    def last_start(self) -> Path:
        return self.system / "last-start.json"

    @property
    def identity(self) -> Path:
        return self.system / "store.json"

    @property
    def _inside(self) -> tuple[Path, ...]:
        return self.alive, self.staging, self.intents, self.spool, self.resumable, self.slots, self.lost_and_found

    def prepare(self) -> None:
        """Create missing directories. Raises `StoreUnusable` if STORAGE_PATH cannot be written."""
        with usable(self.root):
            for directory in (self.root, self.system, *self._inside):
                directory.mkdir(parents=True, exist_ok=True)
            probe = self.staging / f"probe-{secrets.token_hex(8)}"
            probe.touch(exist_ok=False)
            probe.unlink(missing_ok=True)  # a running service may have collected it as a leftover


@contextmanager
def usable(root: Path) -> Iterator[None]:
    """Translate OSError during a start into `StoreUnusable`, a sentence for the operator."""
    try:
        yield
    except OSError as error:
        raise StoreUnusable(
            f"STORAGE_PATH={root} cannot be written ({error.strerror}): make it a directory that the user of this "
            "service owns, on a disk with room."
        ) from error
