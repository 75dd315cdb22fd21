"""Run every benchmark."""

from . import start, training

for benchmark in (start, training):
    benchmark.main()
