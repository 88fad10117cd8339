"""Commands that look after the events in the outbox."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask import current_app
from flask.cli import AppGroup

from ..index import Event, Outbox, State
from ..node import Storage
from .reports import open_services

_PAGE = 1000

webhooks = AppGroup("webhooks", help="Look after the events that are reported to WEBHOOK_URL.")
_STATES = click.Choice([state.value for state in State])


@webhooks.command("list")
@click.option("--state", type=_STATES, multiple=True, help="Only events in this state. May be given more than once.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line.")
def list_(state: tuple[str, ...], as_json: bool) -> None:
    """List the events that were not delivered, and those that were in the last three days."""
    with _open_outbox() as outbox:
        for event in _events(outbox, [State(each) for each in state or [*State]]):
            click.echo(json.dumps(_shown(event)) if as_json else _line(event))


@webhooks.command()
@click.argument("ids", nargs=-1)
@click.option("--dead", is_flag=True, help="All whose delivery was given up.")
@click.option("--delivered", is_flag=True, help="All that were delivered in the last three days.")
def replay(ids: tuple[str, ...], dead: bool, delivered: bool) -> None:
    """Send the events with these IDS again, or all that the options name. They keep their ids."""
    states = [State.DEAD] * dead + [State.DELIVERED] * delivered
    if bool(ids) == bool(states):
        raise click.UsageError("Name either the ids of events, or --dead or --delivered.")
    with _open_outbox() as outbox:
        chosen = list(ids) if ids else [event.id for event in _events(outbox, states)]
        count = sum(outbox.replay(chosen[start : start + _PAGE]) for start in range(0, len(chosen), _PAGE))
    click.echo(f"{count} to be sent again", err=True)
    if count < len(chosen):
        raise click.ClickException(f"{len(chosen) - count} of these ids are no events in the outbox.")


@webhooks.command()
def test() -> None:
    """Send an event of the type storage.test, and say what came back."""
    storage: Storage = current_app.extensions["storage"]
    _check_configured(storage)
    endpoint = storage.endpoint()
    answer = endpoint.test()
    if answer.failure is not None:
        raise click.ClickException(f"{endpoint.url} did not take the event: {answer.failure}.")
    click.echo(f"{endpoint.url} has taken the event.", err=True)


@contextmanager
def _open_outbox() -> Iterator[Outbox]:
    storage: Storage = current_app.extensions["storage"]
    _check_configured(storage)
    with open_services() as (_, services):
        assert services.outbox is not None, "there is a URL"
        yield services.outbox


def _check_configured(storage: Storage) -> None:
    if storage.settings.webhook_url is None:
        raise click.ClickException("WEBHOOK_URL is not set, so there are no webhooks: set it and WEBHOOK_SECRET.")


def _events(outbox: Outbox, states: list[State]) -> Iterator[Event]:
    after = ("", -1)
    while page := outbox.events(states, after=after, limit=_PAGE):
        yield from page
        after = (page[-1].id, page[-1].change.sequence)


def _shown(event: Event) -> dict[str, object]:
    change = event.change
    return {
        "id": event.id,
        "type": change.kind,
        "bucket_id": change.bucket.name,
        "file_id": change.key,
        "sequence": change.sequence,
        "state": event.state,
        "since": event.since.isoformat(),
        "attempts": event.attempts,
        "failure": event.failure,
    }


def _line(event: Event) -> str:
    change = event.change
    place = change.bucket.name if change.key is None else f"{change.bucket.name} {change.key}"
    failure = f"  {event.attempts} attempts: {event.failure}" if event.failure else ""
    return f"{event.id}  {event.state:9}  {change.kind:14}  {place}{failure}"
