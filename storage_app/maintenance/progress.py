"""What an operator sees of a rebuild: a bar on a terminal, a line now and then in a log."""

import sys
import time
from typing import Any

import click

_LINE_SECONDS = 5


class RebuildProgress:
    """Shows how many files have been read, and how fast; `finish` ends it."""

    def __init__(self) -> None:
        self._bar: Any = None  # click does not export the type
        self._began = self._said = time.monotonic()
        self._files = 0

    def show(self, files: int, total: int) -> None:
        """Say that `files` of `total` have been read."""
        if sys.stderr.isatty():
            self._draw(files, total)
        elif time.monotonic() - self._said >= _LINE_SECONDS:
            self._said = time.monotonic()
            click.echo(f"{files:,} of {total:,} files read, {self._rate(files):,.0f} a second", err=True)
        self._files = files

    def finish(self) -> None:
        if self._bar is not None:
            self._bar.render_finish()
            self._bar = None

    def summary(self, files: int) -> str:
        """Return how many files there were, and how long they took."""
        return f"{files:,} files in {time.monotonic() - self._began:,.1f} s"

    def _draw(self, files: int, total: int) -> None:
        if self._bar is None:
            self._bar = click.progressbar(length=total, label="Reading records", show_pos=True, file=sys.stderr)
        self._bar.update(files - self._files)

    def _rate(self, files: int) -> float:
        return files / max(time.monotonic() - self._began, 0.001)
