"""What of a run reaches the disk, when, and what happens when the disk does not take it."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medilytica_widgets.engine.checkpoints import TrainingState, read_state, write_state
from medilytica_widgets.engine.keeper import Keeper, Keeping
from medilytica_widgets.engine.run_folder import (
    drop_after,
    epoch_path,
    kept_epochs,
    latest,
    prune,
    read_epoch,
    read_latest,
)
from medilytica_widgets.errors import CheckpointError, InputError
from tests.engine.kills import Nursery


def state(number: int = 0, size: int = 10) -> TrainingState:
    return TrainingState({"weights": np.full(size, number, np.float32)}, {"number": number})


def writers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "medilytica-writer"]


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[Callable[..., Keeper]]:
    """Return ``keep(on_problem=None, queue_bytes=…, **keeping) -> Keeper`` of the folder ``tmp_path / "run"``."""
    made: list[Keeper] = []

    def factory(on_problem: Any = None, queue_bytes: int = 2**28, **keeping: Any) -> Keeper:
        made.append(Keeper(Keeping(**{"folder": tmp_path / "run", **keeping}), on_problem, queue_bytes=queue_bytes))
        return made[-1]

    yield factory
    for keeper in made:
        keeper.close()


@pytest.fixture
def release(tmp_path: Path, keep: Callable[..., Keeper]) -> Iterator[threading.Event]:
    """Hold the writer's thread until the event is set: someone listens to a problem and takes his time."""
    held, event = threading.Event(), threading.Event()
    (tmp_path / "file").write_text("")

    def listen(_: str) -> None:
        held.set()
        event.wait(60)

    keep(listen, folder=tmp_path / "file" / "run").put_checkpoint(state())
    assert held.wait(60)
    yield event
    event.set()


# -- settings and questions


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"checkpoint_seconds": 0}, "checkpoint_seconds must be a time above 0"),
        ({"checkpoint_seconds": math.nan}, "checkpoint_seconds"),
        ({"checkpoint_seconds": True}, "checkpoint_seconds"),
        ({"checkpoint_seconds": "30"}, "checkpoint_seconds"),
        ({"checkpoint_epochs": 0}, "checkpoint_epochs must be a whole number from 1"),
        ({"checkpoint_epochs": 2.0}, "checkpoint_epochs"),
        ({"keep_epochs": -1}, "keep_epochs must be a whole number from 0"),
        ({"keep_bytes": 1e9}, "keep_bytes"),
        ({"folder": None}, "folder must be the path"),
        ({"folder": ""}, "folder must be the path"),
        ({"spec": ["a"]}, "spec must be a dict"),
    ],
)
def test_wrong_settings_are_named(values: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Keeping(**{"folder": Path("run"), **values})


def test_checkpoints_come_by_the_clock(keep: Callable[..., Keeper]) -> None:
    keeper = keep(checkpoint_seconds=30)
    asked = [now for now in range(1000, 1100) if keeper.wants_checkpoint(now / 7, now, now % 2 == 0)]
    # the first one comes early
    assert asked == [1001, 1031, 1061, 1091]
    assert [now for now in range(9) if keep(checkpoint_seconds=None).wants_checkpoint(now, now, True)] == []


def test_checkpoints_come_by_epochs_and_only_at_their_ends(keep: Callable[..., Keeper]) -> None:
    keeper = keep(checkpoint_seconds=None, checkpoint_epochs=5)
    quarters = [quarter / 4 for quarter in range(1, 80)]
    assert [e for e in quarters if keeper.wants_checkpoint(e, e, e == int(e))] == [5, 10, 15]
    resumed = keep(checkpoint_seconds=None, checkpoint_epochs=5)
    assert [e for e in range(12, 30) if resumed.wants_checkpoint(e, e, True)] == [15, 20, 25]
    many_at_once = keep(checkpoint_seconds=None, checkpoint_epochs=5)
    assert [e for e in (5, 10, 20) if many_at_once.wants_checkpoint(e, e, True)] == [5, 10, 20]


def test_nothing_is_wanted_where_nothing_is_kept(keep: Callable[..., Keeper]) -> None:
    keeper = keep(checkpoint_seconds=None, keep_epochs=0)
    assert not any(keeper.wants_checkpoint(e, 1e9 * e, True) or keeper.wants_epoch(e) for e in range(100))
    assert keeper.next_epoch(7) is None


@settings(max_examples=60, deadline=None)
@given(room=st.integers(1, 60), epochs=st.integers(1, 3000), every=st.none() | st.integers(1, 50))
def test_the_plan_of_epochs(room: int, epochs: int, every: int | None) -> None:
    with Keeper(Keeping(Path("never made"), None, every, keep_epochs=room)) as keeper:
        wanted = [epoch for epoch in range(epochs) if keeper.wants_epoch(epoch)]
    assert wanted[:room] == list(range(1, epochs))[:room]
    assert len(wanted) <= room * (1 + math.ceil(math.log2(max(1, epochs / room))))
    with Keeper(Keeping(Path("never made"), None, every, keep_epochs=room)) as keeper:
        stops, epoch = [], 0
        while (following := keeper.next_epoch(epoch)) is not None and following < epochs:
            epoch = following
            stops.append(epoch)
            assert keeper.wants_epoch(epoch) == (epoch in wanted)
        assert stops == [epoch for epoch in wanted if epoch]
        following = [keeper.next_checkpoint(epoch) for epoch in range(epochs)]
    assert following == [every and (epoch // every + 1) * every for epoch in range(epochs)]


# -- epochs


@settings(max_examples=12, deadline=None)
@given(room=st.integers(1, 9), epochs=st.integers(1, 150))
def test_kept_epochs_stay_few_and_evenly_spread(
    tmp_path_factory: pytest.TempPathFactory, room: int, epochs: int
) -> None:
    folder = tmp_path_factory.mktemp("spread")
    with Keeper(Keeping(folder, keep_epochs=room)) as keeper:
        for epoch in range(1, epochs + 1):
            if keeper.wants_epoch(epoch):
                assert keeper.put_epoch(epoch, state(epoch))
                assert keeper.flush(30)
                assert len(kept_epochs(folder)) <= room
    kept = kept_epochs(folder)
    stride = kept[0]
    assert kept == list(range(stride, kept[-1] + 1, stride))
    assert epochs < kept[-1] + 2 * stride
    assert len(kept) >= min(room, epochs) // 2
    for epoch in kept:
        assert read_epoch(folder, epoch).facts == {"number": epoch}


def test_large_weights_lower_the_number(keep: Callable[..., Keeper], tmp_path: Path) -> None:
    keeper = keep(keep_bytes=500_000)
    for epoch in range(1, 21):
        if keeper.wants_epoch(epoch):
            keeper.put_epoch(epoch, state(epoch, size=30_000))
    assert keeper.flush(30)
    assert kept_epochs(tmp_path / "run") == [4, 8, 12, 16]
    assert sum(path.stat().st_size for path in (tmp_path / "run" / "epochs").iterdir()) <= 500_000


def test_weights_beyond_all_bytes_are_said_to_be(keep: Callable[..., Keeper], tmp_path: Path) -> None:
    problems: list[str] = []
    keeper = keep(problems.append, keep_bytes=50_000)
    taken = [keeper.put_epoch(epoch, state(epoch, size=25_000)) for epoch in range(1, 9) if keeper.wants_epoch(epoch)]
    assert taken == [False] and keeper.flush(30)
    assert keeper.next_epoch(8) is None
    assert len(problems) == 1 and "keep_bytes" in problems[0]


def test_large_states_of_fast_epochs_are_not_all_kept(keep: Callable[..., Keeper], tmp_path: Path) -> None:
    for size, kept in ((10, 20), (2 * 2**20, 4)):
        keeper = keep()
        for epoch in range(1, 21):
            now = 0.1 * epoch
            if keeper.wants_epoch(epoch, now):
                assert keeper.put_epoch(epoch, state(epoch, size=size // 4), now)
        assert keeper.flush(30)
        assert len(kept_epochs(tmp_path / "run")) == kept
        shutil.rmtree(tmp_path / "run")


def test_a_pinned_epoch_stays(keep: Callable[..., Keeper], tmp_path: Path) -> None:
    keeper = keep(keep_epochs=4)
    for epoch in range(1, 60):
        if keeper.wants_epoch(epoch):
            keeper.put_epoch(epoch, state(epoch))
        if epoch in (1, 3):
            keeper.pin(epoch)
    assert keeper.flush(30)
    assert kept_epochs(tmp_path / "run") == [3, 16, 32, 48]


def test_an_epoch_that_is_not_kept_names_its_neighbours(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no epochs. Train with keep_epochs above 0"):
        read_epoch(tmp_path, 3)
    epoch_path(tmp_path, 4).parent.mkdir()
    for epoch in (4, 8, 123456789):
        write_state(epoch_path(tmp_path, epoch), state(epoch))
    with pytest.raises(CheckpointError, match="the nearest kept epochs are 4 and 8"):
        read_epoch(tmp_path, 5)
    with pytest.raises(CheckpointError, match="the nearest is 4"):
        read_epoch(tmp_path, 1)
    assert read_epoch(tmp_path, 123456789).facts == {"number": 123456789}
    epoch_path(tmp_path, 8).write_bytes(b"")
    with pytest.raises(CheckpointError, match="damaged"):
        read_epoch(tmp_path, 8)


def test_epochs_beyond_a_resumed_one_can_be_dropped(tmp_path: Path) -> None:
    epoch_path(tmp_path, 1).parent.mkdir()
    for epoch in range(1, 7):
        write_state(epoch_path(tmp_path, epoch), state(epoch))
    assert drop_after(tmp_path, 4.5) == [5, 6]
    assert kept_epochs(tmp_path) == [1, 2, 3, 4]


def test_pruning_leaves_an_even_spread_and_no_partial_files(tmp_path: Path) -> None:
    epoch_path(tmp_path, 1).parent.mkdir()
    for epoch in range(1, 13):
        write_state(epoch_path(tmp_path, epoch), state(epoch))
    size = epoch_path(tmp_path, 1).stat().st_size
    partials = [tmp_path / ".checkpoint.0badcafe-1-0.part", tmp_path / "epochs" / ".1.0badcafe-1-0.part"]
    for path in partials:
        path.write_bytes(b"half")
        os.utime(path, (0, 0))
    assert prune(tmp_path) == 0
    assert not any(path.exists() for path in partials)
    assert prune(tmp_path, keep_epochs=6) == 6 * size
    assert kept_epochs(tmp_path) == [2, 4, 6, 8, 10, 12]
    assert prune(tmp_path, keep_bytes=3 * size + 1, pinned=[2]) == 3 * size
    assert kept_epochs(tmp_path) == [2, 8, 12]
    assert prune(tmp_path, keep_epochs=0) == 3 * size
    assert kept_epochs(tmp_path) == [] and prune(tmp_path / "none", keep_epochs=1) == 0


# -- checkpoints


def test_the_latest_that_can_be_read_is_found(keep: Callable[..., Keeper], tmp_path: Path) -> None:
    folder, keeper = tmp_path / "run", keep()
    assert latest(folder) is None and read_latest(folder) is None
    for epoch in (1, 2):
        keeper.put_epoch(epoch, state(epoch))
    for number in (10, 20, 30):
        keeper.put_checkpoint(state(number))
        assert keeper.flush(30)
    for name, number in [
        ("checkpoint.safetensors", 30),
        ("checkpoint-previous.safetensors", 20),
        ("epochs/00000002.safetensors", 2),
        ("epochs/00000001.safetensors", 1),
    ]:
        found = read_latest(folder)
        assert found is not None and found[0] == latest(folder) == folder / name
        assert found[1].facts == {"number": number}
        os.truncate(folder / name, 100)
    assert latest(folder) is None


def test_every_file_carries_the_spec(keep: Callable[..., Keeper], tmp_path: Path) -> None:
    keeper = keep(spec={"layers": [1, 2]})
    keeper.put_checkpoint(state(1))
    keeper.put_epoch(1, TrainingState({}, {"spec": "its own"}))
    assert keeper.flush(30)
    assert read_state(tmp_path / "run" / "checkpoint.safetensors").facts["spec"] == {"layers": [1, 2]}
    assert read_epoch(tmp_path / "run", 1).facts["spec"] == "its own"


# -- the writer


def test_only_the_newest_of_waiting_checkpoints_is_written(
    keep: Callable[..., Keeper], release: threading.Event, tmp_path: Path
) -> None:
    keeper = keep()
    for number in range(100):
        assert keeper.put_checkpoint(state(number))
    assert not keeper.flush(0.01)
    release.set()
    assert keeper.flush(30)
    assert os.listdir(tmp_path / "run") == ["checkpoint.safetensors"], "an older one was written before it"
    assert read_state(tmp_path / "run" / "checkpoint.safetensors").facts == {"number": 99}


def test_waiting_epochs_take_bounded_memory(
    keep: Callable[..., Keeper], release: threading.Event, tmp_path: Path
) -> None:
    problems: list[str] = []
    keeper = keep(problems.append, queue_bytes=100_000)
    taken = [epoch for epoch in range(1, 50) if keeper.put_epoch(epoch, state(epoch, size=5_000))]
    release.set()
    assert keeper.flush(30)
    assert taken == kept_epochs(tmp_path / "run") == [1, 2, 3, 4]
    assert len(problems) == 1 and "Epoch 5 is not kept" in problems[0]
    assert keeper.put_epoch(50, state(50, size=500_000)), "one epoch is taken however large it is"


def test_several_runs_share_one_thread(tmp_path: Path) -> None:
    seen: set[int] = set()
    together = threading.Barrier(8, timeout=60)

    def train(number: int) -> None:
        with Keeper(Keeping(tmp_path / str(number), keep_epochs=5)) as keeper:
            together.wait()
            for epoch in range(1, 31):
                keeper.put_checkpoint(state(1000 * number + epoch))
                if keeper.wants_epoch(epoch):
                    keeper.put_epoch(epoch, state(1000 * number + epoch))
                seen.add(len(writers()))
            assert keeper.flush(60)
            together.wait()

    threads = [threading.Thread(target=train, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    for number in range(8):
        assert read_state(tmp_path / str(number) / "checkpoint.safetensors").facts == {"number": 1000 * number + 30}
        assert kept_epochs(tmp_path / str(number)) == [8, 16, 24]
        assert read_epoch(tmp_path / str(number), 24).facts == {"number": 1000 * number + 24}
    assert seen == {1}


def test_a_closing_keeper_waits_no_longer_than_told(
    keep: Callable[..., Keeper], release: threading.Event, tmp_path: Path
) -> None:
    keeper = keep()
    keeper.put_checkpoint(state(1))
    assert not keeper.close(timeout=0.01)
    release.set()
    assert keep().flush(30)
    assert (tmp_path / "run" / "checkpoint.safetensors").exists()


def run_python(code: str, *arguments: object, prefix: tuple[str, ...] = ()) -> str:
    command = [*prefix, sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


HEAD = """
import os, resource, subprocess, sys, threading, json, shutil
from pathlib import Path
import numpy as np
from medilytica_widgets.engine import writer
from medilytica_widgets.engine.checkpoints import TrainingState, read_state
from medilytica_widgets.engine.keeper import Keeper, Keeping
from medilytica_widgets.engine.run_folder import latest
folder, said = Path(sys.argv[1]), []
def put(number):
    weights = np.full(100_000, number, np.float32)
    keeper.put_checkpoint(TrainingState({"weights": weights}, {"number": number}))
    assert keeper.flush(30)
    found = latest(folder)
    return found and read_state(found).facts["number"]
"""


def test_the_thread_ends_with_the_last_keeper(tmp_path: Path) -> None:
    run_python(
        HEAD
        + """
import gc
def alive():
    return [thread for thread in threading.enumerate() if thread.name == "medilytica-writer"]
first, second = (Keeper(Keeping(folder / name)) for name in "ab")
second.put_checkpoint(TrainingState({}))
assert first.close() and first.close()
(thread,) = alive()
assert second.close() and not alive()
assert (folder / "b" / "checkpoint.safetensors").exists()
assert not second.put_checkpoint(TrainingState({})) and not second.put_epoch(1, TrainingState({})) and second.flush(0)
forgotten = Keeper(Keeping(folder / "c"))
forgotten.put_checkpoint(TrainingState({}))
(thread,) = alive()
del forgotten
gc.collect()
thread.join(30)
assert not thread.is_alive() and (folder / "c" / "checkpoint.safetensors").exists()
""",
        tmp_path,
    )


def test_the_end_of_the_interpreter_waits_for_the_disk(tmp_path: Path) -> None:
    run_python(
        HEAD + "keeper = Keeper(Keeping(folder))\n"
        "for epoch in range(1, 20): keeper.put_epoch(epoch, TrainingState({'w': np.zeros(10**5)}))",
        tmp_path,
    )
    assert kept_epochs(tmp_path) == list(range(1, 20))


def test_the_end_of_the_interpreter_does_not_wait_forever(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run_python(
        HEAD + "writer.EXIT_SECONDS = 0.1\n"
        "keeper = Keeper(Keeping(folder), lambda _: threading.Event().wait())\n"
        "keeper.put_checkpoint(TrainingState({}))",
        tmp_path / "file" / "run",
    )


def test_a_forked_child_writes_with_a_thread_of_its_own(tmp_path: Path) -> None:
    run_python(
        HEAD
        + """
keeper = Keeper(Keeping(folder / "parent"))
keeper.put_checkpoint(TrainingState({}))
assert keeper.flush(30)
child = os.fork()
if child == 0:
    with Keeper(Keeping(folder / "child")) as other:
        other.put_checkpoint(TrainingState({}))
        assert other.flush(30)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
""",
        tmp_path,
    )
    assert (tmp_path / "child" / "checkpoint.safetensors").exists()


# -- a disk that does not take it


def test_a_limit_on_file_size_is_said_once_and_so_is_its_end(tmp_path: Path) -> None:
    said, loaded = json.loads(
        run_python(
            HEAD
            + """
keeper = Keeper(Keeping(folder), said.append)
loaded = [put(1)]
for limit in (100_000, 50_000, -1, 100_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, -1))
    loaded.append(put(len(loaded) + 1))
print(json.dumps([said, loaded]))
""",
            tmp_path / "run",
        )
    )
    assert loaded == [1, 1, 1, 4, 4]
    full, again, full_again = said
    assert "Checkpoints cannot be written" in full and "disk is full" in full and "The training goes on" in full
    assert again == "Checkpoints are written again."
    assert full_again == full
    assert not list((tmp_path / "run").glob(".*"))


def own_mounts() -> tuple[str, ...]:
    """Return a command's beginning that may mount without anybody else seeing it."""
    for prefix in (("unshare", "--mount"), ("unshare", "--map-root-user", "--mount")):
        command = [*prefix, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
        if shutil.which("unshare") and subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return prefix
    pytest.skip("a small disk of its own needs a mount namespace, and this container allows none")


def test_a_full_disk_and_a_read_only_one(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    said, loaded = json.loads(
        run_python(
            HEAD
            + """
disk = folder.parent
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], check=True)
keeper = Keeper(Keeping(folder), said.append)
loaded = [put(1), put(2)]
with open(disk / "filler", "wb", buffering=0) as file:
    try:
        while file.write(bytes(4096)): pass
    except OSError:
        pass
loaded += [put(3), put(4)]
assert not [path for path in folder.iterdir() if path.name.startswith(".")]
(disk / "filler").unlink()
loaded += [put(5)]
subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
loaded += [put(6), put(7)]
subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
loaded += [put(8)]
print(json.dumps([said, loaded]))
""",
            tmp_path / "disk" / "run",
            prefix=own_mounts(),
        )
    )
    assert loaded == [1, 2, 2, 2, 5, 5, 5, 8]
    assert ["full" in said[0], "read-only" in said[2]] == [True, True]
    assert said[1] == said[3] == "Checkpoints are written again." and len(said) == 4


def test_a_folder_that_was_removed_is_not_made_again(keep: Callable[..., Keeper], tmp_path: Path) -> None:
    problems: list[str] = []
    folder, keeper = tmp_path / "run", keep(problems.append)
    keeper.put_checkpoint(state(1))
    assert keeper.flush(30)
    shutil.rmtree(folder)
    for epoch in (2, 3):
        keeper.put_checkpoint(state(epoch))
        keeper.put_epoch(epoch, state(epoch))
        assert keeper.flush(30)
    assert not folder.exists()
    assert [("the folder was removed" in problem, problem.split()[0]) for problem in problems] == [
        (True, "Checkpoints"),
        (True, "Epochs"),
    ]
    folder.mkdir()
    keeper.put_checkpoint(state(4))
    keeper.put_epoch(4, state(4))
    assert keeper.flush(30)
    assert problems[2:] == ["Checkpoints are written again.", "Epochs are written again."]
    assert kept_epochs(folder) == [4]


def test_a_folder_that_cannot_be_made_is_said(keep: Callable[..., Keeper], tmp_path: Path) -> None:
    problems: list[str] = []
    (tmp_path / "file").write_text("")
    keeper = keep(problems.append, folder=tmp_path / "file" / "run")
    keeper.put_checkpoint(state(1))
    assert keeper.flush(30)
    assert len(problems) == 1 and "inside of something that is no folder" in problems[0]


def test_a_state_that_cannot_be_written_is_said(keep: Callable[..., Keeper], tmp_path: Path) -> None:
    problems: list[str] = []
    keeper = keep(problems.append)
    keeper.put_checkpoint(TrainingState({}, {"a": object()}))
    keeper.flush(30)
    keeper.put_checkpoint(state(1))
    assert keeper.flush(30)
    assert "holds a object" in problems[0] and problems[1] == "Checkpoints are written again."


def test_a_listener_that_raises_is_no_harm(keep: Callable[..., Keeper], tmp_path: Path) -> None:
    def listen(_: str) -> None:
        raise RuntimeError("no")

    (tmp_path / "run").write_text("in the way")
    keeper = keep(listen)
    keeper.put_checkpoint(state(1))
    assert keeper.flush(30)
    (tmp_path / "run").unlink()
    keeper.put_checkpoint(state(2))
    assert keeper.flush(30)
    assert (tmp_path / "run" / "checkpoint.safetensors").exists()


# -- kill -9


def test_a_killed_process_loses_at_most_the_write_it_was_at(tmp_path: Path) -> None:
    number = 0
    with Nursery(tmp_path / "run", seed=1) as nursery:
        for _ in range(10):
            number = nursery.kill(number).loaded
    assert number > 0
    with Keeper(Keeping(tmp_path / "run")) as keeper:
        keeper.put_checkpoint(state())
        keeper.put_epoch(10**6, state())
    assert not list((tmp_path / "run").rglob("*.part"))
