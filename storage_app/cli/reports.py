"""Reports for operators: the settings in force, the buckets, their files, and the use of the disk.

Each command prints a table or, with `--json`, one JSON object a line.
"""

import dataclasses
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext

from ..auth.permissions import BucketFilter
from ..domain.buckets import Bucket, Totals, check_bucket_name
from ..domain.files import File
from ..errors import BucketNotFound, StorageError, StoreUnusable
from ..host.layout import Layout, usable
from ..maintenance.recover import mark_clean_stop, recover
from ..node import Services, Storage
from ..services.listing import list_by_key
from ..settings.explained import explain

_PAGE = 1000
_BUCKETS = 16  # of one query: a bucket may have 300 KB of grants
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")

Row = dict[str, Any]
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")


@click.command()
@as_json
@with_appcontext
def config(as_json: bool) -> None:
    """Print every setting, its value and where that comes from. Secrets are hidden."""
    rows = (dataclasses.asdict(each) for each in explain())
    _print(rows, as_json, name=str, value=_text, source=str)


@click.command()
@as_json
@with_appcontext
def buckets(as_json: bool) -> None:
    """List the buckets with their totals."""
    with open_services() as (_, services):
        rows = (_bucket(bucket, totals) for bucket, totals in _buckets(services))
        _print(rows, as_json, name=str, owner_id=str, is_public=_yes, file_count=_count, total_size=_size, quota=_size)


@click.command()
@click.argument("bucket")
@click.argument("prefix", default="")
@as_json
@with_appcontext
def ls(bucket: str, prefix: str, as_json: bool) -> None:
    """List the files of BUCKET whose keys begin with PREFIX."""
    with open_services() as (_, services):
        found = services.index.bucket(check_bucket_name(bucket))
        if found is None:
            raise BucketNotFound(bucket)
        rows = (_file(file) for file in _files(services, found[0], prefix))
        _print(rows, as_json, size=_size, updated_at=_second, content_type=str, id=str)


@click.command()
@as_json
@with_appcontext
def usage(as_json: bool) -> None:
    """Show how much is stored, and how much room is left."""
    with open_services() as (storage, services):
        row = {"buckets": 0, "files": 0, "bytes": 0}
        for _, totals in _buckets(services):
            row["buckets"] += 1
            row["files"] += totals.file_count
            row["bytes"] += totals.total_size
        disk = shutil.disk_usage(storage.settings.storage_path)
        row |= {"free": disk.free, "kept_free": storage.settings.min_free_bytes, "disk": disk.total}
        _print([row], as_json, buckets=_count, files=_count, bytes=_size, free=_size, kept_free=_size, disk=_size)


COMMANDS = (config, buckets, ls, usage)


@contextmanager
def open_services() -> Iterator[tuple[Storage, Services]]:
    """Open the store, whether or not the service runs."""
    storage: Storage = current_app.extensions["storage"]
    settings = storage.settings
    path, index_url, has_outbox = settings.storage_path, settings.index_url, settings.webhook_url is not None
    try:
        _check_started(path)
        recover(path, durable=settings.durability == "fsync", index_url=index_url, has_outbox=has_outbox)
        yield storage, storage.services
        storage.stop()
        mark_clean_stop(path, index_url=index_url)
    except StorageError as error:
        raise click.ClickException(error.detail) from error
    finally:
        storage.stop()


def _check_started(path: Path) -> None:
    """Refuse a folder that holds no store: a mistyped path must not make one."""
    with usable(path):
        if not Layout(path).system.is_dir():
            raise StoreUnusable(
                f"STORAGE_PATH={path} holds no store: set it to the folder of one, or start the service."
            )


def _buckets(services: Services) -> Iterator[tuple[Bucket, Totals]]:
    after = None
    while page := services.index.buckets(BucketFilter(every=True), after=after, limit=_BUCKETS):
        yield from page
        after = page[-1][0].name


def _files(services: Services, bucket: Bucket, prefix: str) -> Iterator[File]:
    listed = list_by_key(services.index, bucket, prefix=prefix, delimiter=None, position=None, limit=sys.maxsize)
    return (each.entry for each in listed if isinstance(each.entry, File))


def _bucket(bucket: Bucket, totals: Totals) -> Row:
    return {
        "name": bucket.name,
        "owner_id": bucket.owner_id,
        "is_public": bucket.is_public,
        "file_count": totals.file_count,
        "total_size": totals.total_size,
        "quota": bucket.quota,
    }


def _file(file: File) -> Row:
    return {
        "id": file.key,
        "size": file.size,
        "sha256": file.sha256,
        "content_type": file.content_type,
        "owner_id": file.owner_id,
        "updated_at": file.updated_at.isoformat(),
    }


def _print(rows: Iterable[Row], as_json: bool, **columns: Callable[[Any], str]) -> None:
    """Print `rows` whole as JSON, or their `columns` as a table: fields, each with the function that formats it.

    A table is aligned a page at a time, so that memory does not grow with the number of rows.
    """
    if as_json:
        for row in rows:
            click.echo(json.dumps(row, ensure_ascii=False))
        return
    lines = ([show(row[name]) for name, show in columns.items()] for row in rows)
    titles = [name.removeprefix("is_").removesuffix("_id").replace("_", " ") for name in columns]
    page, widths = [titles, *islice(lines, _PAGE)], [0] * len(columns)
    while page:
        widths = [max(width, *map(len, cells)) for width, cells in zip(widths, zip(*page, strict=True), strict=True)]
        for line in page:
            click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
        page = list(islice(lines, _PAGE))


def _size(size: int | None) -> str:
    if size is None:
        return ""
    value, unit = float(size), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:,.0f} {_UNITS[unit]}" if unit == 0 or value >= 100 else f"{value:,.1f} {_UNITS[unit]}"


def _count(count: int) -> str:
    return f"{count:,}"


def _yes(flag: bool) -> str:
    return "yes" if flag else ""


def _text(value: str | None) -> str:
    return value or ""


def _second(moment: str) -> str:
    return moment[:19].replace("T", " ")
