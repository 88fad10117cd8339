"""Principals, and what an upload by one may create and replace."""

from dataclasses import dataclass
from enum import Enum, StrEnum

MAX_SUB_BYTES = 255


class PrincipalKind(Enum):
    """How a principal is known: without a credential, by the ANON_KEY, by a user's token, or as the service.

    The service has a token with the service's role, or the SERVICE_KEY.
    """

    NOBODY = "nobody"
    ANONYMOUS = "anonymous"
    USER = "user"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Principal:
    """The party that makes a request. `sub` is the user's id, and None for NOBODY and ANONYMOUS."""

    kind: PrincipalKind
    sub: str | None = None


NOBODY = Principal(PrincipalKind.NOBODY)
ANONYMOUS = Principal(PrincipalKind.ANONYMOUS)
# The holder of the SERVICE_KEY. The `sub` is the owner of whatever it creates without naming another.
SERVICE = Principal(PrincipalKind.SERVICE, "service_role")


def is_sub(text: str) -> bool:
    """Return whether a user may have the id `text`: 1 to MAX_SUB_BYTES bytes of UTF-8, all printable."""
    return 0 < len(text) <= MAX_SUB_BYTES and text.isprintable() and len(text.encode()) <= MAX_SUB_BYTES


class Replace(StrEnum):
    """The existing files that an upload may replace."""

    NONE = "none"
    OWN = "own"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class UploadRight:
    """The right of an upload to create a file, which then belongs to `owner_id`, and to replace existing ones."""

    owner_id: str
    create: bool
    replace: Replace

    @property
    def uploader(self) -> str:
        """The `sub` of the principal, or "" for anonymous ones: only their uploads belong to somebody else."""
        return "" if self.replace is Replace.NONE else self.owner_id
