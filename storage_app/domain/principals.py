"""Principals: who asks, and what an upload of theirs may make and replace."""

from dataclasses import dataclass
from enum import Enum, StrEnum

from .files import File


class PrincipalKind(Enum):
    NOBODY = "nobody"
    ANONYMOUS = "anonymous"
    USER = "user"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. `sub` is the user's id, and None for nobody and anonymous."""

    kind: PrincipalKind
    sub: str | None = None


NOBODY = Principal(PrincipalKind.NOBODY)
ANONYMOUS = Principal(PrincipalKind.ANONYMOUS)


class Replace(StrEnum):
    """Which files of others an upload may take the place of."""

    NONE = "none"
    OWN = "own"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class UploadRight:
    """What an upload may do to a key: make it, and whom it may replace there. `owner_id` owns what it makes."""

    owner_id: str
    create: bool
    replace: Replace

    def allows(self, existing: "File | None") -> bool:
        if existing is None:
            return self.create
        return self.replace is Replace.ANY or (self.replace is Replace.OWN and existing.owner_id == self.owner_id)
