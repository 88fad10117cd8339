"""Commands that change files, as the service may: by their keys, or all that begin with a prefix."""

import sys
import time

import click
from flask.cli import with_appcontext

from ..domain.files import UNCONDITIONAL
from ..domain.principals import SERVICE
from ..node import Services
from ..services.bulk import BulkResult
from .reports import open_services

# Of a terminal, and of a log.
_SHOWN_SECONDS, _LINE_SECONDS = 0.2, 5


@click.command()
@click.argument("bucket")
@click.argument("key")
@click.option("-r", "--recursive", is_flag=True, help="Delete every file whose key begins with KEY.")
@with_appcontext
def rm(bucket: str, key: str, recursive: bool) -> None:
    """Delete the file KEY of BUCKET, or with -r every file whose key begins with KEY."""
    if not key:
        raise click.BadParameter("It is empty; to delete a whole bucket, use DELETE /buckets.", param_hint="KEY")
    with open_services() as (_, services):
        if recursive:
            _delete_prefix(services, bucket, key)
        else:
            services.files.delete(SERVICE, bucket, key, conditions=UNCONDITIONAL)


COMMANDS = (rm,)


def _delete_prefix(services: Services, bucket: str, prefix: str) -> None:
    progress = BulkProgress("deleted")
    result = BulkResult()
    while not result.complete:
        result = services.deletions.by_prefix(SERVICE, bucket, prefix, progress=progress.show)
        progress.end_round(result)
        if not result.complete and not result.done:
            break  # only files that fail are left
    progress.finish(result)


class BulkProgress:
    """Shows how many files an operation is done with, and then what failed. It may take several rounds."""

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._before = 0
        self._shown_at = time.monotonic()

    def show(self, result: BulkResult) -> None:
        """Show how far this round got, now and then."""
        if time.monotonic() - self._shown_at >= (_SHOWN_SECONDS if sys.stderr.isatty() else _LINE_SECONDS):
            self._shown_at = time.monotonic()
            self._echo(self._before + result.done, ends=not sys.stderr.isatty())

    def end_round(self, result: BulkResult) -> None:
        """Count what this round has done."""
        self._before += result.done

    def finish(self, result: BulkResult) -> None:
        """Show the whole count, and the failures of the last round. Exit with 1 if there are any."""
        self._echo(self._before, ends=True)
        for failure in result.failed:
            click.echo(f"not {self._verb}: {failure.key} ({failure.code})", err=True)
        if result.failed:
            raise SystemExit(1)

    def _echo(self, count: int, *, ends: bool) -> None:
        start = "\r" if sys.stderr.isatty() else ""
        click.echo(f"{start}{count:,} {'file' if count == 1 else 'files'} {self._verb}", err=True, nl=ends)
