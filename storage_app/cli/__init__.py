"""Commands for operators: `selfdb-storage ...`, and `flask --app wsgi storage ...` in a checkout."""

import click
from flask import Flask, current_app
from flask.cli import AppGroup

from ..auth.credentials import SERVICE_ROLE
from ..domain.principals import MAX_SUB_BYTES, is_sub
from ..errors import StorageError
from ..maintenance.recover import recover as recover_store
from ..maintenance.scan import Check
from ..node import Storage
from ..version import __version__
from . import files, reports, webhooks
from .recovery import recover_for_an_operator

storage_commands = AppGroup("storage", help="Look after the storage service.")
click.version_option(__version__, message="SelfDB storage %(version)s")(storage_commands)
for _command in (*reports.COMMANDS, *files.COMMANDS, webhooks.webhooks):
    storage_commands.add_command(_command)


def init_app(app: Flask) -> None:
    """Add `flask storage` to the commands of `app`."""
    app.cli.add_command(storage_commands)


def _sub(_context: click.Context, _option: click.Parameter, value: str) -> str:
    if not is_sub(value):
        raise click.BadParameter(f"It must be 1 to {MAX_SUB_BYTES} bytes of printable characters.")
    return value


@storage_commands.command()
@click.option("--sub", required=True, callback=_sub, help="The id of the user that the token speaks for.")
@click.option(
    "--service", is_flag=True, help=f"Make it a service token (role {SERVICE_ROLE}), which may do everything."
)
@click.option(
    "--expires-in",
    type=click.IntRange(min=1),
    default=3600,
    show_default=True,
    help="Seconds that the token is good for.",
)
def token(sub: str, service: bool, expires_in: int) -> None:
    """Print a login token such as the backend issues."""
    logins = _storage().logins
    click.echo(logins.issue(sub, role=SERVICE_ROLE if service else None, expires_in=expires_in))


@storage_commands.command()
def recover() -> None:
    """Make the store ready to serve. A start of the service does this by itself."""
    recover_for_an_operator(_storage().settings)


@storage_commands.command()
@click.option("--take-over", is_flag=True, help="Make the index at INDEX_URL this store's, though it is another's.")
def rebuild(take_over: bool) -> None:
    """Rebuild the index from the sidecars. Beside a running service, reconcile it with them instead."""
    settings = _storage().settings
    if take_over and settings.index_url is None:
        raise click.UsageError("--take-over is for an index at INDEX_URL; that of a file is always its own store's.")
    recover_for_an_operator(settings, rebuild_anyway=True, take_over=take_over)


@storage_commands.command()
@click.option("--repair", is_flag=True, help="Mend what can be mended; bytes that nothing explains go to lost+found.")
def check(repair: bool) -> None:
    """Look for damage, whether or not the service runs. Exit with 1 if damage remains."""
    storage = _storage()
    try:
        # After a power cut the index may be stale. Recover it first, so that nothing is repaired by a wrong index.
        recover_store(
            storage.settings.storage_path,
            durable=storage.settings.durability == "fsync",
            index_url=storage.settings.index_url,
            has_outbox=storage.settings.webhook_url is not None,
        )
        services = storage.services
        found = repaired = 0
        looking = Check(
            services.index, services.store, services.resumables, services.commits, services.logs, repair=repair
        )
        for finding in looking.findings():
            click.echo(str(finding))
            found += 1
            repaired += finding.repaired is not None
    except StorageError as error:
        raise click.ClickException(error.detail) from error
    finally:
        storage.stop()
    click.echo(f"{found} found, {repaired} of them mended." if found else "Nothing is wrong.", err=True)
    if found > repaired:
        raise SystemExit(1)


def _storage() -> Storage:
    storage = current_app.extensions["storage"]
    assert isinstance(storage, Storage)
    return storage
