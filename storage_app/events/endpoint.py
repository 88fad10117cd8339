"""The receiver of events: a POST signed by the Standard Webhooks specification, 1.0.0."""

import http.client
import json
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import urllib3
import urllib3.connection
from standardwebhooks import Webhook

from ..domain.changes import Change
from ..domain.times import now
from ..version import __version__

SECONDS = 10
AT_ONCE = 8
# An answer says nothing that matters but its status. A short one is read, so that the connection can be used again.
_READ_BYTES = 64 * 1024
_TEST = "storage.test"
_TOO_LATE = "it did not answer within {} seconds"

# Returns the `data` of the event of a change.
Describe = Callable[[Change], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to an event. `failure` says why it was not received, and is None if it was."""

    failure: str | None
    is_gone: bool = False  # the receiver wants no more


class _Own(threading.local):
    """The deadline of the request that this thread sends."""

    deadline: "_Deadline | None" = None


_own = _Own()


class _Deadline:
    """Ends the request of the body of `with` after SECONDS. A timeout of urllib3 begins anew with each byte."""

    def __init__(self) -> None:
        self.connection: http.client.HTTPConnection | None = None
        self.is_over = False
        self._timer = threading.Timer(SECONDS, self._end)

    def _end(self) -> None:
        self.is_over = True
        connected = getattr(self.connection, "sock", None)
        if connected is not None:
            with suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> None:
        _own.deadline = self
        self._timer.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        _own.deadline = None


class _Ending(http.client.HTTPConnection):
    """A connection that the deadline of its request can end."""

    def request(self, *args: Any, **kwargs: Any) -> None:
        if _own.deadline is not None:
            _own.deadline.connection = self
        super().request(*args, **kwargs)


class _HttpConnection(_Ending, urllib3.connection.HTTPConnection):
    pass


class _HttpsConnection(_Ending, urllib3.connection.HTTPSConnection):
    pass


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


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
        self._http.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}

    def send(self, change: Change) -> Answer:
        """Send the event of `change`. Returns after SECONDS at the latest, whatever the receiver does."""
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
        deadline = _Deadline()
        try:
            with (
                deadline,
                self._http.request(
                    "POST", self.url, body=body.encode(), headers=headers, redirect=False, preload_content=False
                ) as response,
            ):
                if deadline.is_over:  # http.client takes the end of the connection for that of the head
                    return Answer(_TOO_LATE.format(SECONDS))
                status = response.status
                with suppress(urllib3.exceptions.HTTPError):
                    response.read(_READ_BYTES)
        except urllib3.exceptions.HTTPError as error:
            return Answer(_TOO_LATE.format(SECONDS) if deadline.is_over else _reason(error))
        return Answer(None if 200 <= status < 300 else f"it answered {status}", is_gone=status == 410)


def _reason(error: urllib3.exceptions.HTTPError) -> str:
    """Return a few words for `error`, without the addresses of objects that urllib3 puts into its messages."""
    is_refused = isinstance(error, urllib3.exceptions.NewConnectionError)  # which is a kind of timeout, too
    if isinstance(error, urllib3.exceptions.TimeoutError) and not is_refused:
        return _TOO_LATE.format(SECONDS)
    return f"it cannot be reached ({type(error).__name__})"
