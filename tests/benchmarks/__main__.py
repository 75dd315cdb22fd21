"""Run every benchmark."""

import sys

from . import start, training

start.main()
sys.exit(training.main(sys.argv[1:]))
