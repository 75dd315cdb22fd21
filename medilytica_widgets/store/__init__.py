"""The run store: which runs there were, and where their files are.

Importing this room loads neither SQLAlchemy nor pandas; opening a store does.
"""

from .backups import backup, restore
from .home import files_of, home, run_folder
from .liveness import INTERRUPTED, LIVE, is_training, read_status
from .record import RunRecord, versions
from .retention import Retention, apply
from .store import RunStore, default_store
from .tracking import Tracker, tracker

__all__ = [
    "INTERRUPTED",
    "LIVE",
    "Retention",
    "RunRecord",
    "RunStore",
    "Tracker",
    "apply",
    "backup",
    "default_store",
    "files_of",
    "home",
    "is_training",
    "read_status",
    "restore",
    "run_folder",
    "tracker",
    "versions",
]
