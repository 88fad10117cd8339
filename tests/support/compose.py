"""deploy/docker-compose.yml as Compose reads it, as far as that needs no engine."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from tests.support.nginx import DEPLOY

_VARIABLE = re.compile(r"\$\{(\w+)(?::([?-])([^}]*))?\}")


class MissingVariable(Exception):
    """A variable that must be set is not, or is empty."""


def services(variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the services, with `variables` in the places of their names; raises `MissingVariable`."""
    return dict(document(variables)["services"])


def document(variables: Mapping[str, str]) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((DEPLOY / "docker-compose.yml").read_text())
    return {name: _filled_in(value, variables) for name, value in read.items()}


def _filled_in(node: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {name: _filled_in(value, variables) for name, value in node.items()}
    if isinstance(node, list):
        return [_filled_in(value, variables) for value in node]
    return _VARIABLE.sub(lambda match: _value(match, variables), node) if isinstance(node, str) else node


def _value(match: re.Match[str], variables: Mapping[str, str]) -> str:
    name, operator, text = match.groups()
    if found := variables.get(name):
        return found
    if operator == "?":
        raise MissingVariable(f"{name}: {text}")
    return text or ""
