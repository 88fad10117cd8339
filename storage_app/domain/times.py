"""Points in time, always in UTC."""

from datetime import UTC, datetime
from functools import partial

# Returns the current time.
now = partial(datetime.now, UTC)
