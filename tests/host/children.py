"""Processes that hold something until they are killed."""

import multiprocessing
from pathlib import Path

# A new interpreter, so that nothing is inherited but what is said.
SPAWN = multiprocessing.get_context("spawn")


class Child:
    """Another process that runs `target` until it is killed."""

    def __init__(self, target: object, directory: Path) -> None:
        self.connection, theirs = SPAWN.Pipe()
        self.process = SPAWN.Process(target=target, args=(directory, theirs), daemon=True)  # type: ignore[arg-type]
        self.process.start()
        assert self.connection.poll(30), "the child did not begin"
        self.said = self.connection.recv()

    def kill(self) -> None:
        self.process.kill()
        self.process.join(30)
