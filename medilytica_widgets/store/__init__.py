"""The run store: which runs there were, and where their files are.

Importing this room loads neither SQLAlchemy nor pandas; opening a store does.
"""

from .backups import backup, restore
from .home import home, run_folder
from .liveness import INTERRUPTED
from .record import RunRecord, versions
from .retention import Retention, apply
from .store import RunStore, default_store
from .tracking import Tracker, tracker

__all__ = [
    "INTERRUPTED",
    "Retention",
    "RunRecord",
    "RunStore",
    "Tracker",
    "apply",
    "backup",
    "default_store",
    "home",
    "restore",
    "run_folder",
    "tracker",
    "versions",
]
