"""How fast an edit reaches the others, and what many clients cost the server.

``python -m tests.benchmarks.collab [--quick] [--minutes 10] [--no-record]``: Python clients alone, on a real server in
a process of its own; all clients share one process, whose interpreter lock is part of what is measured.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pycrdt import Map

from medilytica_widgets.collab.discovery import Server as Address
from medilytica_widgets.collab.room import RoomClient
from medilytica_widgets.collab.shared_doc import SharedDoc
from tests.collab.conftest import new_server
from tests.collab.network import wait_for
from tests.servers import Server

from .harness import cells, header, record, verdict

FILE = "team.medilytica"
EDITS_A_SECOND = 2.0
PAUSE = 0.1
TARGETS = {2: (0.060, 0.120), 20: (0.060, 0.250)}
"""Seconds, median and 95th percentile, by the number of people; the page's own part comes on top."""
GROWTH_LIMIT = 1.1


class Crowd:
    """Clients of one server in one workspace, each with a document of its own."""

    def __init__(self, server: Server, count: int) -> None:
        address = Address(server.url, server.token, str(server.root))
        self.docs = [SharedDoc() for _ in range(count)]
        self.maps: list[Map[Any]] = [doc.get("benchmark", type=Map) for doc in self.docs]
        self.rooms = [RoomClient(doc, address, FILE).start() for doc in self.docs]
        self.made: dict[str, float] = {}
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        for room in self.rooms:
            if not room.wait_synced(120):
                raise RuntimeError(f"A client did not come in: {room.status.error}")

    def edit(self, clients: Sequence[int]) -> None:
        """Let each of these clients edit twice a second from now on, one after the other."""

        def work() -> None:
            step = 0
            start = time.monotonic()
            while not self._end.wait(max(0.0, start + step / EDITS_A_SECOND / len(clients) - time.monotonic())):
                which = clients[step % len(clients)]
                # as a person does who turns one of a few knobs; every client has its own, so that none is overwritten
                key = f"{which}-{step // len(clients) % 20}"
                self.maps[which][key] = self.made[key] = float(step)
                step += 1

        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the editing."""
        self._end.set()
        if self._thread is not None:
            self._thread.join()

    def lost(self) -> int:
        """Wait for the last edit's storing, and return how many edits are missing in any of the documents."""
        for room in self.rooms:
            room.flush(120)
        wait_for(lambda: all(each.to_py().items() >= self.made.items() for each in self.maps), 60, "convergence")
        same = [each.to_py() for each in self.maps]
        return sum(key not in each for each in same for key in self.made) + sum(each != same[0] for each in same)

    def close(self) -> None:
        self.stop()
        for room in self.rooms:
            room.close()


def latencies(crowd: Crowd, rounds: int) -> list[float]:
    """Time an edit of the first client until the second one's document has it."""
    came = threading.Event()
    seen = 0.0

    def look(_: Any) -> None:
        nonlocal seen
        seen = time.perf_counter()
        crowd.docs[1].later(check)

    def check() -> None:
        if crowd.maps[1].get("mark") == wanted:
            times.append(seen - began)
            came.set()

    times: list[float] = []
    with crowd.docs[1]._turn:
        subscription = crowd.docs[1].observe(look)
    for number in range(rounds):
        came.clear()
        wanted, began = float(number), time.perf_counter()
        crowd.maps[0]["mark"] = wanted
        if not came.wait(30):
            raise RuntimeError("An edit did not arrive within half a minute.")
        time.sleep(PAUSE)
    with crowd.docs[1]._turn:
        crowd.docs[1].unobserve(subscription)
    return sorted(times)


def quick_or_whole(quick: bool, minutes: float, write: bool) -> int:
    """Run it and return how many targets were missed."""
    lines = [
        f"Python clients only, {EDITS_A_SECOND:.0f} edits a second each; an edit of A until it is in B's document.",
        "",
        *header("people", "median, ms", "95 %, ms", "targets, ms", ""),
    ]
    missed = 0
    for count, (median, most) in TARGETS.items():
        with tempfile.TemporaryDirectory() as folder:
            server = new_server(Path(folder))
            crowd = Crowd(server, count)
            try:
                crowd.edit(range(2, count)) if count > 2 else None
                times = latencies(crowd, 20 if quick else 300)
            finally:
                crowd.close()
                server.stop()
        middle, high = statistics.median(times), times[int(0.95 * (len(times) - 1))]
        good = verdict(middle, median, at_most=True), verdict(high, most, at_most=True)
        missed += (middle > median) + (high > most)
        lines.append(
            cells(
                count, f"{middle * 1e3:.1f}", f"{high * 1e3:.1f}", f"{median * 1e3:.0f}, {most * 1e3:.0f}", *set(good)
            )
        )
    lines += ["", *many(5 if quick else 50, 0.2 if quick else minutes)]
    record("Collaboration", lines, write=write)
    return missed


def many(count: int, minutes: float) -> list[str]:
    """Let many clients edit for some minutes; return the lines about memory and convergence."""
    with tempfile.TemporaryDirectory() as folder:
        server = new_server(Path(folder))
        crowd = Crowd(server, count)
        try:
            crowd.edit(range(count))
            end = time.monotonic() + minutes * 60
            sizes = []
            while time.monotonic() < end:
                time.sleep(min(10.0, minutes * 6))
                sizes.append(server.memory())
            crowd.stop()
            edits = len(crowd.made)
            lost = crowd.lost()
        finally:
            crowd.close()
            server.stop()
    # the first third is the warming up
    early, late = sizes[len(sizes) // 3], sizes[-1]
    return [
        f"{count} clients for {minutes:g} minutes: {edits} values edited again and again, {lost} lost or different in "
        f"the end; the server's memory {early / 2**20:.0f} MB after a third of the time, {late / 2**20:.0f} MB at the "
        f"end ({verdict(late / early, GROWTH_LIMIT, at_most=True)}).",
    ]


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute instead of a quarter of an hour")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--no-record", action="store_true", help="do not write RESULTS.md")
    options = parser.parse_args(arguments)
    return quick_or_whole(options.quick, options.minutes, not (options.no_record or options.quick))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
