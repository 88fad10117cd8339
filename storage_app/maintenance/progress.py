"""The progress of a rebuild for an operator: a bar on a terminal, or a line every few seconds in a log."""

import sys
import time
from collections.abc import Callable
from typing import Any

import click

_LINE_SECONDS = 5


class RebuildProgress:
    """Shows how many files have been read, and how fast. The caller ends it with `finish`.

    `say` gets the lines that are not for a terminal.
    """

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self._bar: Any = None  # click does not export the type
        self._began = self._shown_at = time.monotonic()
        self._files = 0

    def show(self, files: int, total: int) -> None:
        """Show that `files` of `total` have been read."""
        if sys.stderr.isatty():
            self._draw(files, total)
        elif time.monotonic() - self._shown_at >= _LINE_SECONDS:
            self._shown_at = time.monotonic()
            self._say(f"{files:,} of {total:,} files read, {self._rate(files):,.0f} a second")
        self._files = files

    def finish(self) -> None:
        """End the bar, if one was drawn."""
        if self._bar is not None:
            self._bar.render_finish()
            self._bar = None

    def summary(self, files: int) -> str:
        """Return a line with the number of files and the time since the start."""
        return f"{files:,} {'file' if files == 1 else 'files'} in {time.monotonic() - self._began:,.1f} s"

    def _draw(self, files: int, total: int) -> None:
        if self._bar is None:
            self._bar = click.progressbar(length=total, label="Reading records", show_pos=True, file=sys.stderr)
        self._bar.update(files - self._files)

    def _rate(self, files: int) -> float:
        return files / max(time.monotonic() - self._began, 0.001)
