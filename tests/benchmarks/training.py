"""Training against the peers: ``python -m tests.benchmarks.training [--rounds N] [--only SECTION …] [--quick]``.

Each section runs in a process of its own, so that the number of threads is settled before any library loads
and no section finds what another left behind. Within a section all contestants are interleaved in one process.
"""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence

# name -> (module, function, threads of every library; None leaves the choice to each)
SECTIONS: dict[str, tuple[str, str, int | None]] = {
    "small": ("speed", "small", 1),
    "large": ("speed", "large", None),
    "general": ("speed", "general", 1),
    "overheads": ("overheads", "overheads", None),
    "busy": ("overheads", "busy", None),
    "first_step": ("overheads", "first_step", None),
    "growth": ("growth", "growth", None),
    "cuda": ("cuda", "main", None),
}
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def main(arguments: Sequence[str] = ()) -> int:
    """Measure and write the tables; return how many sections failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.training", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count, after one that does not")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="one small round, and nothing is written")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    names = options.only or list(SECTIONS)
    rounds = 1 if options.quick else options.rounds
    if options.here:
        module, name, _ = SECTIONS[names[0]]
        function = getattr(importlib.import_module(f"{__package__}.{module}"), name)
        function(rounds=rounds, quick=options.quick)
        return 0
    failed = 0
    for name in names:
        command = [sys.executable, "-m", "tests.benchmarks.training", "--here", "--only", name, "--rounds", str(rounds)]
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
            environment = {**os.environ, "MEDILYTICA_HOME": home}
            threads = SECTIONS[name][2]
            if threads is not None:
                environment |= dict.fromkeys(_THREADS, str(threads))
            done = subprocess.run([*command, *(["--quick"] if options.quick else [])], env=environment)
        if done.returncode:
            print(f"{name}: failed, see above", file=sys.stderr)
            failed += 1
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
