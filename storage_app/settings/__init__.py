"""Every setting: its name, default, check and meaning, read from the environment and from `.env`.

Each field of `Settings` is the only declaration of its setting. `SETTINGS` lists all of them, for the documentation and
for the tests that keep it complete.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from environs import EnvError, ValidationError

from ..errors import SettingsError
from .environment import ROOT, drop_empty, environment_and_dotenv
from .kinds import (
    Environment,
    Kind,
    database_url,
    file,
    flag,
    folder,
    header_value,
    host,
    is_sample,
    key_bytes,
    log_level,
    one_of,
    origins,
    size,
    url,
    webhook_secret,
    whole_number,
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting. `default` is text as in `.env`; if it is empty, `fallback` returns the value.

    `also` is a second name of the variable, read if the first is not set. A secret appears in no message.
    """

    name: str
    kind: Kind
    help: str
    default: str = ""
    fallback: Callable[[], Any] = lambda: None
    also: str = ""
    required: bool = False
    secret: bool = False


def usable_cores() -> int:
    """Count the cores that this process may use. Return at least 2: one worker serves while the other restarts."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(2, cores or 1)


def declare(name: str, kind: Kind, help_: str, default: str = "", **more: Any) -> Any:
    """Return a dataclass field that carries a `Setting`."""
    setting = Setting(name=name, kind=kind, help=help_, default=default, **more)
    return dataclasses.field(repr=not setting.secret, metadata={"setting": setting})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The checked settings of one process. The repr leaves secrets out."""

    storage_path: Path = declare(
        "STORAGE_PATH", folder(ROOT), "The folder that holds every file, record and index.", "/data/storage"
    )
    index_url: str | None = declare(
        "INDEX_URL",
        database_url(),
        "The PostgreSQL database for the index; without it, it is a SQLite file under STORAGE_PATH.",
        secret=True,
    )
    secret_key: str = declare(
        "SECRET_KEY",
        key_bytes(32),
        "The key that signs logins and URLs; the same as the backend's that issues the logins.",
        required=True,
        secret=True,
    )
    algorithm: str = declare("ALGORITHM", one_of("HS256", "HS384", "HS512"), "How logins are signed.", "HS256")
    host: str = declare(
        "HOST",
        host(),
        "The address to listen on; 0.0.0.0 for every network of this machine.",
        "127.0.0.1",
    )
    port: int = declare("PORT", whole_number(1, 65535), "The port to listen on.", "8001")
    base_url: str = declare("BASE_URL", url(), "Where files' permanent URLs (/storage/...) begin.", "http://localhost")
    public_url: str = declare(
        "STORAGE_SERVICE_PUBLIC_URL",
        url(),
        "Where clients reach this service: download, view and signed URLs begin with it.",
        "http://localhost:8001",
        also="STORAGE_SERVICE_EXTERNAL_URL",
    )
    trial: bool = declare(
        "TRIAL", flag(), "Whether this is only a trial, which may use secrets that anybody can look up.", "false"
    )
    anon_key: str | None = declare(
        "ANON_KEY",
        header_value(1),
        "The key that clients without a login send; without it there are no anonymous clients.",
        secret=True,
    )
    service_key: str | None = declare(
        "SERVICE_KEY",
        header_value(32),
        "The key by which a backend is the service, which may do everything; without it only a service token is.",
        also="API_KEY",
        secret=True,
    )
    web_concurrency: int = declare(
        "WEB_CONCURRENCY",
        whole_number(1, 256),
        "How many worker processes serve; without it one for each usable core, and at least 2.",
        fallback=usable_cores,
    )
    worker: str = declare(
        "WORKER",
        one_of("scheduled", "gthread"),
        "How a worker process runs its requests: one after another, or on gunicorn's own worker (slower).",
        "scheduled",
    )
    threads: int = declare("THREADS", whole_number(1, 512), "How many requests a worker process serves at once.", "32")
    max_file_size: int | None = declare("MAX_FILE_SIZE", size(1), "The largest file; without it there is no limit.")
    max_uploads: int = declare(
        "MAX_UPLOADS",
        whole_number(1, 100_000),
        "How many request bodies may be on their way in at once, all workers of this host together.",
        "48",
    )
    min_free_bytes: int = declare(
        "MIN_FREE_BYTES", size(0), "Uploads are refused when less than this would stay free on the disk.", "256MiB"
    )
    resumable_expiry: int = declare(
        "RESUMABLE_EXPIRY",
        whole_number(60, 30 * 24 * 3600),
        "How many seconds a resumable upload has, from its creation to its last byte.",
        "86400",
    )
    anonymous_uploads: bool = declare(
        "ANONYMOUS_UPLOADS",
        flag(),
        "Whether any login, and ANON_KEY, may add files to public buckets.",
        "true",
    )
    authenticated_read: bool = declare(
        "AUTHENTICATED_READ",
        flag(),
        "Whether every login may list and read every bucket, private ones too.",
        "false",
    )
    download_offload: str = declare(
        "DOWNLOAD_OFFLOAD", one_of("off", "nginx"), "Who sends the bytes of downloads: this service or nginx.", "off"
    )
    upload_offload: str = declare(
        "UPLOAD_OFFLOAD",
        one_of("off", "nginx"),
        "Who waits for the bytes of raw uploads: this service or nginx.",
        "off",
    )
    offload_secret: str | None = declare(
        "OFFLOAD_SECRET",
        header_value(16),
        "What nginx sends to prove that it is in front; required with either offload.",
        secret=True,
    )
    cors_origins: tuple[str, ...] = declare(
        "CORS_ORIGINS", origins(), "The web pages that may call this service from a browser.", "*"
    )
    trusted_proxies: int = declare(
        "TRUSTED_PROXIES", whole_number(0, 10), "How many proxies in front are believed about client and scheme.", "0"
    )
    durability: str = declare(
        "DURABILITY",
        one_of("fsync", "none"),
        "fsync: an answered upload survives a power cut; none: it may not.",
        "fsync",
    )
    log_level: str = declare("LOG_LEVEL", log_level(), "The least that is logged.", "INFO")
    log_format: str = declare("LOG_FORMAT", one_of("text", "json"), "How log lines look.", "text")
    server_timing: bool = declare(
        "SERVER_TIMING",
        flag(),
        "Whether each answer tells its client, in Server-Timing, how long the index and the store took.",
        "false",
    )
    metrics_token: str | None = declare(
        "METRICS_TOKEN",
        header_value(16),
        "The token that Prometheus sends to read /metrics; without it anybody who reaches this port may.",
        secret=True,
    )
    webhook_url: str | None = declare(
        "WEBHOOK_URL", url(), "Where each change of a file or a bucket is reported; without it nothing is."
    )
    webhook_secret: str | None = declare(
        "WEBHOOK_SECRET",
        webhook_secret(),
        "The key that signs these reports, the same here and in their receiver; required with WEBHOOK_URL.",
        secret=True,
    )
    audit_log: Path | None = declare(
        "AUDIT_LOG",
        file(ROOT),
        "The file that lists who changed what; without it there is none.",
    )
    audit_reads: bool = declare(
        "AUDIT_READS", flag(), "Whether AUDIT_LOG also lists who read what; nginx then caches no file.", "false"
    )


FIELDS: dict[str, Setting] = {field.name: field.metadata["setting"] for field in dataclasses.fields(Settings)}
SETTINGS: tuple[Setting, ...] = tuple(FIELDS.values())


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read and check every setting, from `environ` or, without it, from the environment and `.env`.

    The environment wins over `.env`, and an empty value counts as not set. With PYTHON_DOTENV_DISABLED=1, which
    python-dotenv documents, `.env` is not read. Raises `SettingsError`.
    """
    values = environment_and_dotenv() if environ is None else environ
    given = {name: value for name, value in values.items() if value.strip()}
    settings = Settings(**{field: _read(setting, given) for field, setting in FIELDS.items()})
    _check_together(settings)
    return settings


def drop_empty_variables() -> None:
    """Remove the settings that are empty from the environment, because a library may read them from there too."""
    drop_empty(setting.name for setting in SETTINGS)


def _read(setting: Setting, given: Mapping[str, str]) -> Any:
    name = setting.also if setting.also in given and setting.name not in given else setting.name
    value = given.get(name, setting.default)
    if value:
        return _parse(setting, name, value)
    if setting.required:
        raise SettingsError(f"{name} is not set: {_way_out(setting)}")
    return setting.fallback()


def _parse(setting: Setting, name: str, value: str) -> Any:
    try:
        return setting.kind.read(Environment({name: value}), name)
    except (EnvError, ValidationError, ValueError, RuntimeError) as error:
        shown = "" if setting.secret else f", not {value[:80]!r}"
        raise SettingsError(f"{name} must be {setting.kind.rule}{shown}: {_way_out(setting)}") from error


def _way_out(setting: Setting) -> str:
    if setting.name == "SECRET_KEY":
        return "set it in the environment or in .env to the backend's, or to a new one from 'openssl rand -hex 32'."
    return "correct it in the environment or in .env."


def _check_together(settings: Settings) -> None:
    if settings.anon_key is not None and settings.anon_key in (settings.secret_key, settings.service_key):
        raise SettingsError(
            "ANON_KEY must differ from SECRET_KEY and SERVICE_KEY, because ANON_KEY is public: set another ANON_KEY."
        )
    if settings.service_key == settings.secret_key:
        raise SettingsError("SERVICE_KEY must differ from SECRET_KEY, because it is sent with requests: set another.")
    for name, secret in (("SECRET_KEY", settings.secret_key), ("SERVICE_KEY", settings.service_key)):
        if secret is not None and is_sample(secret) and not settings.trial:
            raise SettingsError(
                f"{name} is a sample that anybody can look up: set a new one from 'openssl rand -hex 32', here and in "
                "the backend. For a trial, set TRIAL=true."
            )
    for name, offload in (
        ("DOWNLOAD_OFFLOAD", settings.download_offload),
        ("UPLOAD_OFFLOAD", settings.upload_offload),
    ):
        if offload == "nginx" and settings.offload_secret is None:
            raise SettingsError(f"OFFLOAD_SECRET is not set: {name}=nginx needs it, the same here and in nginx.")
    _check_where_changes_go(settings)


def _check_where_changes_go(settings: Settings) -> None:
    if settings.webhook_url is not None and settings.webhook_secret is None:
        raise SettingsError(
            "WEBHOOK_SECRET is not set: WEBHOOK_URL needs it, the same here and in the receiver. Make one of whsec_ "
            "and the output of 'openssl rand -base64 32'."
        )
    if settings.audit_log is not None and settings.audit_log.is_relative_to(settings.storage_path):
        raise SettingsError("AUDIT_LOG must not lie in STORAGE_PATH, whose folders are buckets: set another path.")
