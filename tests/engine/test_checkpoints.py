"""States as files: exact round trips, and an error instead of garbage for everything that is not whole."""

from __future__ import annotations

import errno
import json
import math
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.numpy import load_file, save_file

from medilytica_widgets.engine.atomic import remove_partials
from medilytica_widgets.engine.checkpoints import TrainingState, check_state, read_state, write_state
from medilytica_widgets.engine.facts import read_json, write_json
from medilytica_widgets.errors import CheckpointError, MissingFileError

DTYPES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]
TENSORS = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(lambda name: name != "__metadata__"),
    st.sampled_from(DTYPES).flatmap(lambda code: arrays.arrays(code, arrays.array_shapes(min_dims=0, min_side=0))),
    max_size=5,
)
NAMES = st.text(max_size=5) | st.sampled_from(["$float", "$$float", "$", "facts"])
FACTS = st.dictionaries(
    NAMES,
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
        max_leaves=10,
    ),
    max_size=4,
)


def same(one: Any, other: Any) -> bool:
    """Compare exactly: types, NaN, and the sign of zero."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, float):
        return math.isnan(one) and math.isnan(other) or (one, math.copysign(1, one)) == (other, math.copysign(1, other))
    return bool(one == other)


def small() -> TrainingState:
    return TrainingState(
        {"weights": np.arange(5, dtype=np.float32), "order": np.arange(2), "seen": np.array([True])},
        {"epoch": 3.5, "best": math.nan, "name": "Zoë", "rng": [1, None]},
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoint.safetensors"
    write_state(path, small())
    return path


@settings(max_examples=100, deadline=None)
@given(tensors=TENSORS, facts=FACTS)
def test_states_come_back_exactly(tmp_path_factory: pytest.TempPathFactory, tensors: Any, facts: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "round-trip.safetensors"
    size = write_state(path, TrainingState(tensors, facts))
    found = read_state(path)
    assert same(found.tensors, tensors) and same(found.facts, facts)
    assert size == path.stat().st_size
    check_state(path)


@settings(max_examples=50, deadline=None)
@given(tensors=TENSORS, facts=FACTS)
def test_safetensors_itself_can_read_them(tmp_path_factory: pytest.TempPathFactory, tensors: Any, facts: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "theirs.safetensors"
    write_state(path, TrainingState(tensors, facts))
    found = load_file(path)
    assert found.keys() == tensors.keys() and all(same(found[name], tensors[name]) for name in tensors)


@pytest.mark.parametrize(
    "array",
    [
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(20)[::3],
        np.arange(4, dtype=">f8"),
        np.broadcast_to(np.float32(2), (3, 2)),
    ],
    ids=["fortran order", "strided", "big-endian", "broadcast"],
)
def test_values_count_not_their_place_in_memory(tmp_path: Path, array: np.ndarray) -> None:
    write_state(tmp_path / "s", TrainingState({"a": array}))
    found = read_state(tmp_path / "s").tensors["a"]
    np.testing.assert_array_equal(found, array)
    assert found.flags.writeable and found.flags.aligned


def test_numpy_scalars_and_tuples_become_plain_facts(tmp_path: Path) -> None:
    facts = {"a": np.float32(0.5), "b": np.int64(2), "c": np.bool_(True), "d": (1, np.float64(math.inf))}
    write_state(tmp_path / "s", TrainingState({}, facts))
    assert same(read_state(tmp_path / "s").facts, {"a": 0.5, "b": 2, "c": True, "d": [1, math.inf]})


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (TrainingState({"a": np.zeros(2, complex)}), "'a' has the dtype complex128. Convert"),
        (TrainingState({"a": np.array([None])}), "dtype object"),
        (TrainingState({"__metadata__": np.zeros(2)}), "another name"),
        (TrainingState({"\ud800": np.zeros(2)}), "another name"),
        (TrainingState({}, {"a": {"b": [{1, 2}]}}), r"facts\['a'\]\['b'\] holds a set"),
        (TrainingState({}, {"a": np.zeros(2)}), "Put it into the state's tensors"),
        (TrainingState({}, {"a": {3: 4}}), r"Use str\(3\)"),
        (TrainingState({}, {"a": 10**5000}), "JSON"),
    ],
    ids=["complex", "object", "reserved", "surrogate", "set", "array", "int key", "huge int"],
)
def test_what_the_format_cannot_hold_is_refused(file: Path, state: TrainingState, words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        write_state(file, state)
    assert same(read_state(file).facts, small().facts)
    assert os.listdir(file.parent) == [file.name]


def test_facts_that_hold_themselves_are_refused(tmp_path: Path) -> None:
    facts: dict[str, Any] = {}
    facts["me"] = facts
    with pytest.raises(CheckpointError, match="too deeply"):
        write_state(tmp_path / "s", TrainingState({}, facts))


# -- damaged and foreign files


def test_every_truncation_is_found(file: Path) -> None:
    for length in reversed(range(file.stat().st_size)):
        os.truncate(file, length)
        for read in (read_state, check_state):
            with pytest.raises(CheckpointError, match="Go on from another checkpoint"):
                read(file)


def test_every_flipped_bit_is_found(file: Path) -> None:
    with open(file, "r+b", buffering=0) as handle:
        for bit in range(8 * file.stat().st_size):
            byte = os.pread(handle.fileno(), 1, bit // 8)[0]
            os.pwrite(handle.fileno(), bytes([byte ^ 1 << bit % 8]), bit // 8)
            with pytest.raises(CheckpointError):
                read_state(file)
            os.pwrite(handle.fileno(), bytes([byte]), bit // 8)
    assert same(read_state(file).tensors, small().tensors)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "s"
    write_state(path, small())
    return path.read_bytes()


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_random_damage_is_found(tmp_path_factory: pytest.TempPathFactory, whole: bytes, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "random-damage.safetensors"
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 40)))
    damaged = whole[:start] + data.draw(st.binary(max_size=40)) + whole[end:]
    path.unlink(missing_ok=True)  # overwriting in place makes ext4 wait for the disk
    path.write_bytes(damaged)
    if damaged == whole:
        check_state(path)
    else:
        with pytest.raises(CheckpointError):
            read_state(path)


@settings(max_examples=300, deadline=None)
@given(content=st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_arbitrary_content_is_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "arbitrary.safetensors"
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    with pytest.raises(CheckpointError):
        read_state(path)


def _rewritten(path: Path, change: Any) -> None:
    """Change the header's JSON and leave everything else in order."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    change(header)
    text = json.dumps(header, separators=(",", ":")).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header["weights"].update(shape=[2**62, 4]),
        lambda header: header["weights"].update(shape=[-1, -5]),
        lambda header: header["weights"].update(dtype="I32"),
        lambda header: header["weights"].update(dtype=["F32"]),
        lambda header: header["weights"].update(data_offsets=[0, 20]),
        lambda header: header.update(weights=None),
        lambda header: header.pop("weights"),
        lambda header: header["__metadata__"].update(facts="{}"),
        lambda header: header["__metadata__"].update(facts=7),
        lambda header: header["__metadata__"].update(version="-1"),
        lambda header: header["__metadata__"].update(version="9" * 5000),
    ],
)
def test_a_forged_header_is_refused(file: Path, change: Any) -> None:
    _rewritten(file, change)
    with pytest.raises(CheckpointError, match="damaged"):
        read_state(file)


def test_a_later_version_asks_for_an_upgrade(file: Path) -> None:
    _rewritten(file, lambda header: header["__metadata__"].update(version="2"))
    with pytest.raises(CheckpointError, match="later version.*pip install -U"):
        read_state(file)


def test_foreign_files_are_named_for_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "foreign"
    save_file({"a": np.zeros(3)}, path)
    with pytest.raises(CheckpointError, match="something else. Name the checkpoint"):
        read_state(path)
    save_file({"a": np.zeros(3)}, path, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="safetensors file of others. Name the checkpoint"):
        read_state(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "b")
    with pytest.raises(CheckpointError, match="zip archive"):
        read_state(path)
    for text in ('{"a": 1, "b": [1, 2, 3]}', "patient,age\n1,63\n"):
        path.write_text(text)
        with pytest.raises(CheckpointError, match="something else. Name the checkpoint"):
            read_state(path)
    path.write_bytes(bytes(5000))
    with pytest.raises(CheckpointError, match="zeros"):
        read_state(path)
    with pytest.raises(CheckpointError, match="no file. Name the checkpoint"):
        read_state(tmp_path)


def test_a_missing_file_is_missing(tmp_path: Path, file: Path) -> None:
    for path in (tmp_path / "none", tmp_path / "none" / "deeper", file / "below a file"):
        with pytest.raises(MissingFileError, match="Check the path"):
            read_state(path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CheckpointError, match="no file"):
        read_state(tmp_path / "pipe")


# -- writing


def test_previous_keeps_what_was_replaced(tmp_path: Path) -> None:
    path, previous = tmp_path / "now", tmp_path / "before"
    for number in range(4):
        write_state(path, TrainingState({}, {"n": number}), previous=previous)
        assert read_state(path).facts == {"n": number}
        if number:
            assert read_state(previous).facts == {"n": number - 1}
    assert sorted(os.listdir(tmp_path)) == ["before", "now"]


def test_previous_works_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")  # what vfat answers

    monkeypatch.setattr(os, "link", refuse)
    test_previous_keeps_what_was_replaced(tmp_path)


def test_previous_is_taken_up_after_a_kill_between_its_two_renames(tmp_path: Path) -> None:
    path, previous = tmp_path / "now", tmp_path / "before"
    write_state(path, TrainingState({}, {"n": 0}))
    os.link(path, previous)
    write_state(path, TrainingState({}, {"n": 1}), previous=previous)
    assert (read_state(path).facts, read_state(previous).facts) == ({"n": 1}, {"n": 0})
    assert sorted(os.listdir(tmp_path)) == ["before", "now"]


def test_leftovers_of_the_dead_go_and_those_of_the_living_stay(tmp_path: Path, file: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    leftover = subprocess.run(
        [sys.executable, "-c", _DIES_WHILE_WRITING, str(file)], capture_output=True, text=True, check=False
    )
    assert leftover.returncode == -9, leftover.stderr
    (died,) = tmp_path.glob(".*.part")
    here = died.name.rsplit(".", 2)[1].split("-")[0]
    living = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        names = {
            "of the living": (f".x.{here}-{living.pid}-0.part", 0),
            "stuck for a day": (f".x.{here}-{living.pid}-1.part", 86400),
            "of a predecessor with our number": (f".x.{here}-{os.getpid()}-99999999.part", 0),
            "of another machine": (".x.0badcafe-7-0.part", 60),
            "of another machine, old": (".x.0badcafe-7-1.part", 86400),
            "someone else's": (".x.part", 86400),
        }
        for name, age in names.values():
            (tmp_path / name).write_bytes(b"half")
            past = (tmp_path / name).stat().st_mtime - age
            os.utime(tmp_path / name, (past, past))
        write_state(file, small())
        left = {label for label, (name, _) in names.items() if (tmp_path / name).exists()}
    finally:
        living.communicate()
    assert not died.exists()
    assert left == {"of the living", "of another machine", "someone else's"}
    assert remove_partials(tmp_path) == 1  # the living one is dead now


_DIES_WHILE_WRITING = """
import os, pathlib, signal, sys
from medilytica_widgets.engine.atomic import replacing
with replacing(pathlib.Path(sys.argv[1])) as file:
    file.write(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_large_states_need_no_second_copy(tmp_path: Path) -> None:
    # 128 MB; the address space is limited so that a copy would fail
    code = """
import resource, sys, numpy as np
from medilytica_widgets.engine.checkpoints import *
path, state = sys.argv[1], TrainingState({"weights": np.ones(2**25, np.float32)})
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 64 * 2**20, -1))
write_state(path, state)
check_state(path)
weights = state.tensors.pop("weights")
del weights
assert read_state(path).tensors["weights"].sum() == 2**25
"""
    command = [sys.executable, "-c", code, str(tmp_path / "s")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_limit_on_file_size_leaves_the_old_file(file: Path) -> None:
    code = """
import resource, sys, numpy as np
from medilytica_widgets.engine.checkpoints import *
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write_state(sys.argv[1], TrainingState({"weights": np.ones(100_000)}))
except OSError as error:
    print(error.errno)
"""
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True)
    assert int(done.stdout) == errno.EFBIG
    assert same(read_state(file).tensors, small().tensors)
    assert os.listdir(file.parent) == [file.name]


# -- JSON files


@settings(max_examples=100, deadline=None)
@given(content=FACTS)
def test_json_comes_back_exactly(tmp_path_factory: pytest.TempPathFactory, content: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "run.json"
    write_json(path, content, durable=False)
    assert same(read_json(path), content)
    json.loads(path.read_text(), parse_constant=pytest.fail)  # strict JSON, for other readers


def test_json_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    with pytest.raises(MissingFileError, match=r"run\.json"):
        read_json(path)
    for content in (b"", b"[1]", b'{"a": ', b"\xff\xfe\xfd", b'{"a":' * 100_000, b'{"a": {"$float": "ten"}}'):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="damaged"):
            read_json(path)
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_json(tmp_path)
