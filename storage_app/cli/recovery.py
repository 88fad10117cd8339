"""Recovery: as a command it speaks to its operator, and in a start of the service to the reader of the log."""

import logging
from collections.abc import Callable, Iterator

import click

from ..errors import StorageError
from ..maintenance.progress import RebuildProgress
from ..maintenance.recover import Recovered, recover
from ..settings import Settings

log = logging.getLogger(__name__)

# Takes the level of a sentence, and the sentence.
Say = Callable[[int, str], object]


def recover_at_a_start(settings: Settings) -> int:
    """Make the store ready to serve, and log what there is to say. Return the exit code of the start."""
    try:
        _recover(settings, log.log)
    except StorageError as error:
        log.error(error.detail)
        return 1
    return 0


def recover_for_an_operator(settings: Settings, *, rebuild_anyway: bool = False, take_over: bool = False) -> None:
    """Make the store ready to serve, and print what there is to say. Raises `ClickException`."""
    try:
        _recover(settings, _print, rebuild_anyway=rebuild_anyway, take_over=take_over)
    except StorageError as error:
        raise click.ClickException(error.detail) from error


def _print(_level: int, sentence: str) -> None:
    click.echo(sentence, err=True)


def _recover(settings: Settings, say: Say, *, rebuild_anyway: bool = False, take_over: bool = False) -> None:
    progress = RebuildProgress(lambda line: say(logging.INFO, line))
    try:
        recovery = recover(
            settings.storage_path,
            durable=settings.durability == "fsync",
            index_url=settings.index_url,
            has_outbox=settings.webhook_url is not None,
            rebuild_anyway=rebuild_anyway,
            take_over=take_over,
            progress=progress.show,
        )
    finally:
        progress.finish()
    if recovery.files is not None:
        say(logging.INFO, f"The index was made from the sidecars: {progress.summary(recovery.files)}.")
    for warning in _warnings(settings, recovery):
        say(logging.WARNING, warning)


def _warnings(settings: Settings, recovery: Recovered) -> Iterator[str]:
    if settings.anon_key and settings.anonymous_uploads and recovery.unbounded:
        yield (
            "Whoever has ANON_KEY may fill the disk. Set a quota for each of these public buckets, or set "
            f"ANONYMOUS_UPLOADS=false: {', '.join(recovery.unbounded)}."
        )
    if recovery.foreign:
        yield (
            f"These in {settings.storage_path} are no buckets, so they are not served: {', '.join(recovery.foreign)}. "
            "Move them elsewhere, and upload their files if they are to be served."
        )
    for record in recovery.damaged:
        yield f"damaged, left out: {record}"
