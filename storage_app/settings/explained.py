"""The settings in force, for people: each with its value and where that comes from."""

import dataclasses
from typing import Any

from . import FIELDS, Setting, load_settings
from .environment import sources


@dataclasses.dataclass(frozen=True, slots=True)
class ExplainedSetting:
    """A setting in force: its value as text, hidden if it is a secret, None if it has none, and its source."""

    name: str
    value: str | None
    source: str


def explain() -> list[ExplainedSetting]:
    """Return every setting in force. Raises `SettingsError`."""
    settings, given = load_settings(), sources()
    return [
        ExplainedSetting(setting.name, _shown(setting, getattr(settings, field)), _source(setting, given))
        for field, setting in FIELDS.items()
    ]


def _shown(setting: Setting, value: Any) -> str | None:
    if value is None:
        return None
    if setting.secret:
        return "(hidden)"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _source(setting: Setting, given: dict[str, dict[str, str]]) -> str:
    for name in filter(None, (setting.name, setting.also)):
        for source, values in given.items():
            if values.get(name, "").strip():
                return source if name == setting.name else f"{source}, as {name}"
    return "default"
