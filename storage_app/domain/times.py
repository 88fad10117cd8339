"""Points in time, always in UTC."""

from datetime import UTC, datetime, timedelta

# Dates in HTTP count seconds (RFC 9110 section 5.6.7).
_STEP = timedelta(seconds=1)


def now() -> datetime:
    """Return the current time."""
    return datetime.now(UTC)


def following(moment: datetime, earlier: datetime) -> datetime:
    """Return `moment`, or a second after `earlier` if `moment` is not later, because the clock went back."""
    return moment if moment > earlier else earlier + _STEP
