"""Real processes that write checkpoints in a loop and are killed at arbitrary moments."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from medilytica_widgets.engine.checkpoints import check_state
from medilytica_widgets.engine.run_folder import kept_epochs, read_latest

KEEP = 4

# Importing numpy takes longer than the writing that is to be interrupted, so each writer is a fork.
NURSERY = f"""
import os, sys
import numpy as np
from medilytica_widgets.engine.checkpoints import TrainingState
from medilytica_widgets.engine.keeper import Keeper, Keeping

def write(folder, number):
    keeper = Keeper(Keeping(folder, keep_epochs={KEEP}))
    while True:
        number += 1
        state = TrainingState({{"weights": np.full(300_000, number, np.float32)}}, {{"number": number}})
        keeper.put_checkpoint(state)
        if keeper.wants_epoch(number):
            keeper.put_epoch(number, state)
        assert keeper.flush(60)
        os.write(1, b"wrote %d\\n" % number)

for line in sys.stdin:
    number, folder = line.rstrip("\\n").split(" ", 1)
    child = os.fork()
    if child == 0:
        write(folder, int(number))
    os.write(1, b"pid %d\\n" % child)
    os.write(1, b"ended %d\\n" % os.waitpid(child, 0)[1])
"""


@dataclass
class Kill:
    """What was found after one: the last write that was reported, the one that loads, and partial files."""

    reported: int
    loaded: int
    partials: int


class Nursery:
    """Starts writers, one after another, and kills each."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self._random = random.Random(seed)
        self._process = subprocess.Popen(
            [sys.executable, "-c", NURSERY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        self._buffer = b""

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def kill(self, number: int, within: float = 0.05) -> Kill:
        """Start a writer that goes on after ``number``, kill it, look at what it left, and check it.

        The moment of the kill is drawn from the first ``within`` seconds after the writer's start.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(f"{number} {self.folder}\n".encode())
        pid = int(self._line().split()[1])
        until = time.monotonic() + self._random.uniform(0, within)
        reported = number
        while (left := until - time.monotonic()) > 0:
            line = self._line(left)
            if line.startswith("wrote"):
                reported = int(line.split()[1])
        os.kill(pid, signal.SIGKILL)
        while not (line := self._line()).startswith("ended"):
            reported = int(line.split()[1])
        assert line == "ended 9"
        return self._look(number, reported)

    def _look(self, number: int, reported: int) -> Kill:
        final = [path for path in self.folder.rglob("*.safetensors") if not path.name.startswith(".")]
        for path in final:
            check_state(path)
        assert len(kept_epochs(self.folder)) <= KEEP
        found = read_latest(self.folder)
        loaded = number
        if found is None:
            assert reported == number == 0, "something was written, and nothing loads"
        else:
            path, state = found
            assert path == self.folder / "checkpoint.safetensors"
            loaded = state.facts["number"]
            np.testing.assert_array_equal(state.tensors["weights"], np.float32(loaded))
        assert reported <= loaded <= reported + 1
        return Kill(reported, loaded, len(list(self.folder.rglob("*.part"))))

    def _line(self, timeout: float = 60.0) -> str:
        """Return the next line, or nothing when none comes in time."""
        assert self._process.stdout is not None
        until = time.monotonic() + timeout
        while b"\n" not in self._buffer:
            if not select.select([self._process.stdout], [], [], max(0.0, until - time.monotonic()))[0]:
                return ""
            more = os.read(self._process.stdout.fileno(), 65536)
            assert more, "the nursery died"
            self._buffer += more
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line.decode()
