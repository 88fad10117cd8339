"""The receiver of events: a POST signed by the Standard Webhooks specification, 1.0.0."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import urllib3
from standardwebhooks import Webhook

from ..domain.changes import Change
from ..domain.times import now
from ..version import __version__

SECONDS = 10
AT_ONCE = 8
# An answer says nothing that matters but its status. A short one is read, so that the connection can be used again.
_READ_BYTES = 64 * 1024
_TEST = "storage.test"

# Returns the `data` of the event of a change.
Describe = Callable[[Change], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to an event. `failure` says why it was not received, and is None if it was."""

    failure: str | None
    is_gone: bool = False  # the receiver wants no more


class Endpoint:
    """The receiver at `url`. Threads may share it."""

    def __init__(self, url: str, secret: str, describe: Describe) -> None:
        self.url = url
        self._webhook = Webhook(secret)
        self._describe = describe
        # No redirect is followed and nothing is tried twice here. No proxy of the environment is asked.
        self._http = urllib3.PoolManager(
            maxsize=AT_ONCE, retries=False, timeout=urllib3.Timeout(total=SECONDS), block=False
        )

    def send(self, change: Change) -> Answer:
        """Send the event of `change`. Returns within a few times SECONDS, whatever the receiver does."""
        event = {
            "type": change.kind,
            "timestamp": change.at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "sequence": change.sequence,
            "data": self._describe(change),
        }
        return self._post(change.id, event)

    def test(self) -> Answer:
        """Send an event of a type that stands for nothing."""
        at = now()
        event = {"type": _TEST, "timestamp": at.isoformat().replace("+00:00", "Z"), "sequence": 0, "data": {}}
        return self._post(f"evt_test_{at:%Y%m%d%H%M%S%f}", event)

    def close(self) -> None:
        self._http.clear()

    def _post(self, event_id: str, event: Mapping[str, Any]) -> Answer:
        body, at = json.dumps(event, ensure_ascii=False, separators=(",", ":")), now()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"SelfDB-storage/{__version__}",
            "webhook-id": event_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": self._webhook.sign(event_id, at, body),
        }
        try:
            with self._http.request(
                "POST", self.url, body=body.encode(), headers=headers, redirect=False, preload_content=False
            ) as response:
                response.read(_READ_BYTES)
                status = response.status
        except urllib3.exceptions.HTTPError as error:
            return Answer(_reason(error))
        return Answer(None if 200 <= status < 300 else f"it answered {status}", is_gone=status == 410)


def _reason(error: urllib3.exceptions.HTTPError) -> str:
    """Return a few words for `error`, without the addresses of objects that urllib3 puts into its messages."""
    is_refused = isinstance(error, urllib3.exceptions.NewConnectionError)  # which is a kind of timeout, too
    if isinstance(error, urllib3.exceptions.TimeoutError) and not is_refused:
        return f"it did not answer within {SECONDS} seconds"
    return f"it cannot be reached ({type(error).__name__})"
