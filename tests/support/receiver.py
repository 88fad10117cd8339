"""A receiver of webhooks, which checks each event as its library does, and fails when it is told to."""

import http.server
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from standardwebhooks import Webhook

from tests.support.service import free_port

SECRET = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"


@dataclass(frozen=True)
class Received:
    """An event that was answered with 204."""

    id: str
    type: str
    sequence: int
    data: dict[str, Any]

    @property
    def key(self) -> tuple[str, str | None]:
        """The bucket and the file, whose id is None for a bucket itself."""
        return (
            (self.data["bucket_id"], self.data["id"]) if "bucket_id" in self.data else (self.data.get("name", ""), None)
        )


class Receiver:
    """A server on a free port. `answer` returns the status for the n-th event that came."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/hook"
        self.received: list[Received] = []
        self.statuses: list[int] = []
        self.answer: Callable[[int], int] = lambda _: 204
        self.arrived = threading.Condition()

    @property
    def settings(self) -> dict[str, str]:
        return {"WEBHOOK_URL": self.url, "WEBHOOK_SECRET": SECRET}

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.received]

    def by_key(self) -> dict[tuple[str, str | None], list[Received]]:
        """Return the events of each key in the order in which they came, without those that came again."""
        seen: set[str] = set()
        found = defaultdict(list)
        for event in self.received:
            if event.id not in seen:
                seen.add(event.id)
                found[event.key].append(event)
        return found

    def wait_for(self, count: int, seconds: float = 30) -> list[Received]:
        """Wait until there are `count` different events, and return all that came."""
        with self.arrived:
            done = self.arrived.wait_for(lambda: len({event.id for event in self.received}) >= count, seconds)
        assert done, f"{len({event.id for event in self.received})} of {count} events came"
        return list(self.received)

    def wait_until(self, holds: Callable[[], bool], seconds: float = 30) -> None:
        with self.arrived:
            assert self.arrived.wait_for(holds, seconds), f"{len(self.received)} events came"

    @contextmanager
    def listening(self) -> Iterator["Receiver"]:
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                event = Webhook(SECRET).verify(body, dict(self.headers.items()))
                with receiver.arrived:
                    status = receiver.answer(len(receiver.statuses))
                    receiver.statuses.append(status)
                    if 200 <= status < 300:
                        identity = self.headers["webhook-id"]
                        receiver.received.append(Received(identity, event["type"], event["sequence"], event["data"]))
                    receiver.arrived.notify_all()
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        with http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler) as server:
            server.daemon_threads = True
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()
