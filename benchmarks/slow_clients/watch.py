"""Somebody with short requests, beside the crowd, and what the servers' memory does meanwhile."""

import http.client
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from ..processes import Server
from ..resources import memory_mib
from ..targets import Request, Target, accepted

PATIENCE_SECONDS = 5.0

_PAUSE_SECONDS = 0.02
_MEMORY_SECONDS = 1.0


@dataclass(slots=True)
class Watch:
    """Seconds that requests took, by name; an unanswered one took all patience. MiB of servers, by name."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    unanswered: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    memory: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def run(self, target: Target, requests: Mapping[str, Request], seconds: float) -> None:
        """Ask one request after the other, each over a new connection, for so long."""
        end, look_at = time.monotonic() + seconds, 0.0
        while time.monotonic() < end:
            for name, request in requests.items():
                self._ask(target, name, request)
            threading.Event().wait(_PAUSE_SECONDS)
            if time.monotonic() >= look_at:
                self.look(target.servers)
                look_at = time.monotonic() + _MEMORY_SECONDS

    def look(self, servers: Sequence[Server]) -> None:
        """Note the servers' memory."""
        for server in servers:
            self.memory[server.name].append(memory_mib([server]))

    def _ask(self, target: Target, name: str, request: Request) -> None:
        began = time.perf_counter()
        try:
            with closing(http.client.HTTPConnection(target.host, target.port, timeout=PATIENCE_SECONDS)) as connection:
                connection.request(request.method, request.path, headers=dict(request.headers))
                accepted(target, request, connection.getresponse()).read()
            self.seconds[name].append(time.perf_counter() - began)
        except OSError:
            self.unanswered[name] += 1
            self.seconds[name].append(PATIENCE_SECONDS)
