"""The kinds of values that settings take. Each states its rule in words, and enforces it.

environs parses the text of one variable, and marshmallow's validators check it.
"""

import base64
import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environs
from environs import validate

LARGEST = 2**63 - 1  # of an integer column in the index
UNITS: dict[str, int] = {"": 1, "b": 1} | {
    f"{prefix}{suffix}": base**power
    for power, prefix in enumerate("kmgt", start=1)
    for suffix, base in (("b", 1000), ("ib", 1024))
}


class Environment(environs.Env):
    """environs over a mapping instead of the process's environment."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__()
        self._environ = dict(values)

    def _get_value(self, env_key: str, default: Any) -> Any:
        return self._environ.get(env_key, default)


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value. `rule` completes the sentence "NAME must be ...".

    `read` returns the parsed value, or raises EnvError, ValidationError, ValueError or RuntimeError.
    """

    rule: str
    read: Callable[[Environment, str], Any]


def text(rule: str, pattern: str) -> Kind:
    """Accept text that matches all of `pattern`."""
    return Kind(rule, lambda env, name: env.str(name, validate=validate.Regexp(rf"(?:{pattern})\Z")))


def header_value(shortest: int) -> Kind:
    """Accept visible ASCII, which every header carries unchanged (RFC 9110 section 5.5)."""
    return text(f"{shortest} to 1024 visible ASCII characters without spaces", f"[!-~]{{{shortest},1024}}")


def one_of(*choices: str) -> Kind:
    """Accept one of `choices`, spelled exactly."""
    return Kind(f"one of {', '.join(choices)}", lambda env, name: env.str(name, validate=validate.OneOf(choices)))


def whole_number(low: int, high: int) -> Kind:
    """Accept an integer from `low` to `high`, both included."""
    return Kind(
        f"a whole number from {low} to {high}", lambda env, name: env.int(name, validate=validate.Range(low, high))
    )


def key_bytes(shortest: int) -> Kind:
    """Accept a key of at least `shortest` bytes in UTF-8."""

    def read(env: Environment, name: str) -> str:
        value = env.str(name)
        if len(value.encode()) < shortest:
            raise ValueError("too short")
        return value

    return Kind(f"at least {shortest} bytes of UTF-8", read)


# Words of the sample files of this kind of software, such as "changeme_super_secret_jwt_key_32_bytes_long".
_SAMPLE = re.compile("change_?(me|this|it)|replace_?(me|this)|(your|super|my|insert|sample|example)_?secret")


def is_sample(secret: str) -> bool:
    """Return whether `secret` is a placeholder from a sample file, which anybody can look up."""
    return _SAMPLE.search(re.sub(r"[-_ .]+", "_", secret.lower())) is not None


def size(smallest: int) -> Kind:
    """Accept a number of bytes, with or without a unit: B, kB to TB (powers of 1000), KiB to TiB (of 1024)."""

    def read(env: Environment, name: str) -> int:
        match = re.fullmatch(r"([0-9]{1,19}) ?([A-Za-z]*)", env.str(name).strip())
        if match is None or match[2].lower() not in UNITS:
            raise ValueError("not a number with a unit")
        value = int(match[1]) * UNITS[match[2].lower()]
        if not smallest <= value <= LARGEST:
            raise ValueError("out of range")
        return value

    return Kind(f"a number of bytes, at least {smallest}, such as 1048576, 500MB or 10GiB", read)


def folder(base: Path) -> Kind:
    """Accept a path. A relative one starts at `base`, and `~` is expanded."""
    return Kind("the path of a folder", lambda env, name: base / env.path(name).expanduser())


def file(base: Path) -> Kind:
    """Accept the path of a file in a folder that is there. Relative paths are read as `folder` does."""

    def read(env: Environment, name: str) -> Path:
        path = base / env.path(name).expanduser()
        if path.is_dir() or not path.parent.is_dir():
            raise ValueError("a folder, or none to write it in")
        return path

    return Kind("the path of a file, in a folder that is there", read)


def flag() -> Kind:
    """Accept a boolean in any spelling of marshmallow's, such as true, yes, on or 1."""
    return Kind("true or false", lambda env, name: env.bool(name))


def log_level() -> Kind:
    """Accept the name of a level, in any case."""
    levels = ("DEBUG", "INFO", "WARNING", "ERROR")

    def read(env: Environment, name: str) -> str:
        value = env.str(name).upper()
        validate.OneOf(levels)(value)
        return value

    return Kind(f"one of {', '.join(levels)}", read)


def host() -> Kind:
    """Accept an address without its port."""
    return text("an IP address or a host name, without port", r"[A-Za-z0-9._:-]+")


def web_address(value: str) -> str:
    """Return an http or https URL without its trailing slash. Raise ValueError if it has a user, query or fragment."""
    if not re.fullmatch(r"https?://[!-~]+", value) or set(value) & set("?#@\\"):
        raise ValueError("not an http URL, or it says more than host and path")
    parts = urlsplit(value)
    if not parts.hostname or parts.netloc.endswith(":") or parts.port == 0:
        raise ValueError("no host, or no port after the colon")
    return value.rstrip("/")


def url() -> Kind:
    """Accept a URL as `web_address` does."""
    rule = "an http:// or https:// URL without user, query or fragment"
    return Kind(rule, lambda env, name: web_address(env.str(name)))


def webhook_secret() -> Kind:
    """Accept a secret of the Standard Webhooks specification: `whsec_` and 24 to 64 bytes in base64."""

    def read(env: Environment, name: str) -> str:
        value = env.str(name)
        encoded = value.removeprefix("whsec_")
        if encoded == value or not 24 <= len(base64.b64decode(encoded, validate=True)) <= 64:
            raise ValueError("not such a secret")
        return value

    return Kind("whsec_ and 24 to 64 bytes in base64, such as the output of 'openssl rand -base64 32'", read)


def database_url() -> Kind:
    """Accept the URL of a PostgreSQL database."""
    rule = "a postgresql://user@host/database URL"
    return text(rule, r"postgresql://[!-~]+/[!-~]+")


def origin(value: str) -> str:
    """Return the origin in lower case, as browsers send it: scheme, host and port (RFC 6454 section 6.2).

    Raises ValueError if it is not an http or https URL, or has a path.
    """
    address = web_address(value.strip()).lower()
    if urlsplit(address).path:
        raise ValueError("an origin has no path")
    return address


def origins() -> Kind:
    """Accept `*`, or origins separated by commas."""

    def read(env: Environment, name: str) -> tuple[str, ...]:
        return ("*",) if env.str(name).strip() == "*" else tuple(env.list(name, subcast=origin))

    return Kind("* or a comma-separated list of origins such as https://app.example.com", read)
