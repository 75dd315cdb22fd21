"""``kill -9`` in the middle of writing checkpoints, two hundred times."""

from __future__ import annotations

import time
from pathlib import Path

from medilytica_widgets.engine.checkpoints import TrainingState
from medilytica_widgets.engine.keeper import Keeper, Keeping
from tests.engine.kills import Nursery
from tests.soak.test_runs import _record


def test_two_hundred_kills_lose_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    started, kills = time.monotonic(), []
    with Nursery(folder, seed=2) as nursery:
        for _ in range(200):
            kills.append(nursery.kill(kills[-1].loaded if kills else 0))
    amid = sum(kill.partials > 0 for kill in kills)
    ahead = sum(kill.loaded > kill.reported for kill in kills)
    with Keeper(Keeping(folder)) as keeper:
        keeper.put_checkpoint(TrainingState({}, {}))
        keeper.put_epoch(10**6, TrainingState({}, {}))
    left = list(folder.rglob("*.part"))
    _record(
        "kill -9 of a writer of checkpoints",
        f"200 times in {time.monotonic() - started:.0f} s among {kills[-1].loaded} writes; {amid} left a partial file, "
        f"{ahead} had renamed but not yet reported; every file under its final name loads, the newest every time; "
        f"partial files after the next write: {len(left)}",
    )
    assert not left
    assert amid > 20, "the kills came at the wrong moments"
