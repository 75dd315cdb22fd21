"""Memory that a training frees and wants again at each step: kept meanwhile, and given back at the end."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or not sys.platform.startswith("linux"), reason="it is glibc that is set up"
)

CODE = """
import json, resource, sys, threading
import numpy as np
from medilytica_widgets.engine import allocator

def pages():
    return int(open("/proc/self/statm").read().split()[1])

def faults(rounds):
    # what a step does: some large blocks are there at once, then none
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
    for _ in range(rounds):
        blocks = [np.ones(1_000_000, dtype=np.float32) for _ in range(8)]
        del blocks
    return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before

found = {}

def work():
    with allocator.held(sys.argv[1] == "held"):
        with allocator.held(sys.argv[1] == "held"):
            faults(2)
        found["faults"] = faults(10)
        found["kept"] = pages()
    found["left"] = pages()

start = pages()
thread = threading.Thread(target=work)
thread.start()
thread.join()
print(json.dumps({**found, "start": start}))
"""


def measured(how: str, **environment: str) -> dict[str, int]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", CODE, how], env={**env, **environment}, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout)
    return found


def test_freed_memory_stays_for_the_next_step_and_goes_back_at_the_end() -> None:
    found, plain = measured("held"), measured("not")
    # 32 MB a round
    page = os.sysconf("SC_PAGE_SIZE")
    assert plain["faults"] > 10 * found["faults"] and found["faults"] < 32_000_000 // page
    assert (found["kept"] - found["start"]) * page > 24_000_000
    assert (found["left"] - found["start"]) * page < 8_000_000


def test_what_a_person_has_set_up_by_hand_stays() -> None:
    found = measured("held", MALLOC_TRIM_THRESHOLD_="131072", MALLOC_MMAP_THRESHOLD_="131072")
    assert (found["kept"] - found["start"]) * os.sysconf("SC_PAGE_SIZE") < 8_000_000
