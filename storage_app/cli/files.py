"""Commands that change files, as the service may: by their keys, or all that begin with a prefix."""

import sys
import time
from collections.abc import Callable
from functools import partial

import click
from flask.cli import with_appcontext

from ..domain.copies import CopyRequest, Place
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


def _places(command: Callable[..., None]) -> Callable[..., None]:
    """Add the arguments and options of a command that copies or moves."""
    for decorate in (
        click.option("--overwrite", is_flag=True, help="Replace files at the destination."),
        click.option("-r", "--recursive", is_flag=True, help="Take every file whose key begins with SOURCE_KEY."),
        click.argument("key"),
        click.argument("bucket"),
        click.argument("source_key"),
        click.argument("source_bucket"),
    ):
        command = decorate(command)
    return command


@click.command()
@_places
@with_appcontext
def cp(source_bucket: str, source_key: str, bucket: str, key: str, recursive: bool, overwrite: bool) -> None:
    """Copy the file SOURCE_KEY of SOURCE_BUCKET to KEY of BUCKET.

    With -r, copy every file whose key begins with SOURCE_KEY. KEY takes the place of that.
    """
    asked = CopyRequest(Place(source_bucket, source_key), Place(bucket, key), overwrite=overwrite)
    with open_services() as (_, services):
        if recursive:
            _check_prefixes(asked)
            _in_rounds(partial(services.folders.copy, SERVICE, asked), BulkProgress("copied", recounts=True))
        else:
            services.copies.copy(SERVICE, asked)


@click.command()
@_places
@with_appcontext
def mv(source_bucket: str, source_key: str, bucket: str, key: str, recursive: bool, overwrite: bool) -> None:
    """Move the file SOURCE_KEY of SOURCE_BUCKET to KEY of BUCKET.

    With -r, move every file whose key begins with SOURCE_KEY. KEY takes the place of that.
    """
    asked = CopyRequest(Place(source_bucket, source_key), Place(bucket, key), overwrite=overwrite)
    with open_services() as (_, services):
        if recursive:
            _check_prefixes(asked)
            _in_rounds(partial(services.folders.move, SERVICE, asked), BulkProgress("moved"))
        else:
            services.copies.move(SERVICE, asked)


COMMANDS = (rm, cp, mv)


def _check_prefixes(asked: CopyRequest) -> None:
    source, target = asked.source, asked.destination
    if source.bucket_name == target.bucket_name and target.key.startswith(source.key):
        raise click.BadParameter("It is inside the source; choose another.", param_hint="KEY")


def _delete_prefix(services: Services, bucket: str, prefix: str) -> None:
    _in_rounds(partial(services.deletions.by_prefix, SERVICE, bucket, prefix), BulkProgress("deleted"))


def _in_rounds(run: Callable[..., BulkResult], progress: "BulkProgress") -> None:
    """Call `run` until it is complete, or only files that fail are left."""
    while True:
        result = run(progress=progress.show)
        if not progress.end_round(result) or result.complete:
            break
    progress.finish(result)


class BulkProgress:
    """Shows how many files an operation is done with, and then what failed. It may take several rounds.

    With `recounts`, each round counts again what the ones before have done.
    """

    def __init__(self, verb: str, *, recounts: bool = False) -> None:
        self._verb = verb
        self._recounts = recounts
        self._before = 0
        self._shown_at = time.monotonic()

    def show(self, result: BulkResult) -> None:
        """Show how far this round got, now and then."""
        if time.monotonic() - self._shown_at >= (_SHOWN_SECONDS if sys.stderr.isatty() else _LINE_SECONDS):
            self._shown_at = time.monotonic()
            self._echo(self._count(result), ends=not sys.stderr.isatty())

    def end_round(self, result: BulkResult) -> bool:
        """Count what this round has done. Return whether that was anything."""
        before, self._before = self._before, self._count(result)
        return self._before > before

    def _count(self, result: BulkResult) -> int:
        return max(self._before, result.done) if self._recounts else self._before + result.done

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
