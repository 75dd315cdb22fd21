"""The store of uploaded files: whole or absent, by content, whatever they are called and whatever interrupts them."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from medilytica_widgets.data import load_dataset, uploads
from medilytica_widgets.data.upload_look import APART_BYTES, look, look_at
from medilytica_widgets.data.uploads import (
    EXPIRY_SECONDS,
    LONGEST_LABEL,
    SUFFIXES,
    Part,
    UploadBusyError,
    Uploaded,
    UploadStore,
    in_words,
    label,
    megabytes,
    suffix_of,
)
from medilytica_widgets.errors import DataError, StateError

CONTENT = bytes(range(256)) * 40
CSV = b"id,x\n" + b"".join(f"{k},{k / 7:.4f}\n".encode() for k in range(500))


@pytest.fixture
def store(tmp_path: Path) -> UploadStore:
    return UploadStore(tmp_path / "data" / "uploads")


def begin(store: UploadStore, content: bytes = CONTENT, name: str = "a.csv", modified: int = 1) -> Part:
    return store.begin(name, len(content), modified, content[:100])


def send(part: Part, content: bytes = CONTENT, piece: int = 1000) -> None:
    while part.received < part.size:
        part.write(part.received, content[part.received : part.received + piece])


def put(store: UploadStore, content: bytes = CONTENT, name: str = "a.csv") -> Uploaded:
    part = begin(store, content, name)
    send(part, content)
    return part.finish()


def stored(store: UploadStore) -> list[str]:
    return sorted(path.name for path in store.folder.iterdir() if path.is_file())


def parts(store: UploadStore) -> list[Path]:
    return list(store.partial.iterdir())


def test_a_file_is_stored_under_its_hash_and_cannot_be_changed(store: UploadStore) -> None:
    file = put(store)
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    assert file == Uploaded("a.csv", len(CONTENT), store.folder / f"{sha256}.csv", sha256)
    assert file.path.read_bytes() == CONTENT
    assert file.path.stat().st_mode & 0o777 == 0o400
    assert parts(store) == []


def test_the_same_content_twice_is_stored_once(store: UploadStore) -> None:
    first, second = put(store), put(store, name="b.csv")
    assert first.path == second.path and second.name == "b.csv"
    assert len(stored(store)) == 1 and parts(store) == []
    # another ending means another way to read it, and no second copy
    third = put(store, name="b.tsv")
    assert third.path.suffix == ".tsv"
    assert third.path.samefile(first.path)


def test_a_damaged_stored_file_is_replaced(store: UploadStore) -> None:
    file = put(store)
    file.path.chmod(0o600)
    file.path.write_bytes(b"cut")
    assert put(store).path.read_bytes() == CONTENT


@settings(max_examples=60, deadline=None)
@given(name=st.text(max_size=400))
@example("../../etc/passwd")
@example("../../etc/passwd.csv")
@example("a\0b.csv")
@example("x" * 300 + ".parquet")
@example("👩‍🚀🌍.json")
@example("con.csv")
@example("‮vsc.exe")
@example(".csv")
@example("\ud800.csv")
def test_a_name_never_reaches_a_path(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    root = tmp_path_factory.mktemp("names")
    store = UploadStore(root / "deep" / "store")
    try:
        part = store.begin(name, len(CONTENT), 1, CONTENT)
    except DataError as error:
        raise AssertionError(name) from error
    send(part)
    file = part.finish()
    assert file.path.parent == store.folder
    assert file.path.name == file.sha256 + suffix_of(name)
    assert file.path.name[64:] in (*SUFFIXES, "")
    assert {p for p in root.rglob("*") if p.is_file()} == {file.path}
    assert 0 < len(file.name) <= LONGEST_LABEL
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]", file.name)
    assert suffix_of(file.name) == suffix_of(name) or "�" in file.name or len(name) > LONGEST_LABEL


def test_a_long_label_keeps_its_ending() -> None:
    assert label("👩‍🚀🌍.json") == "👩‍🚀🌍.json"
    assert label("x" * 5000 + ".parquet").endswith("x.parquet")
    assert label("../../etc/passwd") == "../../etc/passwd"
    assert (label(""), label(" \n ")) == ("unnamed", "�")


def test_pieces_that_come_twice_or_leave_a_gap_change_nothing(store: UploadStore) -> None:
    part = begin(store)
    assert part.write(0, CONTENT[:1000]) == 1000
    assert part.write(0, CONTENT[:1000]) == 1000
    assert part.write(5000, CONTENT[5000:6000]) == 1000
    send(part)
    assert part.finish().path.read_bytes() == CONTENT


def test_more_than_was_announced_is_refused(store: UploadStore) -> None:
    part = begin(store)
    with pytest.raises(DataError, match="More came"):
        part.write(0, CONTENT + b"x")
    assert part.received == 0


def test_an_incomplete_file_is_not_stored(store: UploadStore) -> None:
    part = begin(store)
    part.write(0, CONTENT[:1000])
    with pytest.raises(StateError, match="Only 1000 of"):
        part.finish()
    assert stored(store) == []


def test_an_interrupted_upload_goes_on_where_it_stopped(store: UploadStore) -> None:
    part = begin(store)
    part.write(0, CONTENT[:3000])
    part.release()
    part.release()
    with pytest.raises(StateError, match="was stopped"):
        part.write(3000, CONTENT[3000:])
    again = begin(UploadStore(store.folder))
    assert again.received == 3000
    send(again)
    assert again.finish().sha256 == hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize("change", ["name", "modified", "size", "content"])
def test_another_file_does_not_go_on_with_it(store: UploadStore, change: str) -> None:
    part = begin(store)
    part.write(0, CONTENT[:3000])
    part.release()
    other = {
        "name": lambda: begin(store, name="b.csv"),
        "modified": lambda: begin(store, modified=2),
        "size": lambda: begin(store, CONTENT + b"x"),
        "content": lambda: begin(store, b"x" + CONTENT[1:]),
    }[change]()
    assert other.received == 0


@pytest.mark.parametrize("damage", [b"x" * 3000, CONTENT + b"more"])
def test_a_partial_file_that_cannot_be_this_one_is_begun_anew(store: UploadStore, damage: bytes) -> None:
    begin(store).release()
    [path] = parts(store)
    path.write_bytes(damage)
    assert begin(store).received == 0


def test_one_file_has_one_receiver_at_a_time(store: UploadStore) -> None:
    part = begin(store)
    with pytest.raises(UploadBusyError, match="being uploaded already"):
        begin(UploadStore(store.folder))
    other = begin(store, b"other" * 9, "o.csv")
    part.discard()
    assert begin(store).received == 0
    other.discard()


def test_two_who_finish_the_same_content_leave_one_file(store: UploadStore) -> None:
    both = [begin(store, name=name) for name in ("a.csv", "b.csv")]
    for part in both:
        send(part)
    done: list[Uploaded] = []
    threads = [threading.Thread(target=lambda part=part: done.append(part.finish())) for part in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(done) == 2 and len({file.path for file in done}) == 1
    assert len(stored(store)) == 1 and parts(store) == []


def test_a_discarded_one_is_gone(store: UploadStore) -> None:
    part = begin(store)
    part.write(0, CONTENT[:3000])
    part.discard()
    part.discard()
    assert parts(store) == []
    assert begin(store).received == 0


def test_partial_files_expire_after_a_day_and_stored_ones_never(store: UploadStore) -> None:
    old = time.time() - EXPIRY_SECONDS - 60
    file = put(store)
    begin(store, name="young.csv").release()
    begin(store, name="old.csv").release()
    busy = begin(store, name="busy.csv")
    stranger = store.partial / "notes.part"
    stranger.write_text("of somebody else")
    young = store.key_of("young.csv", len(CONTENT), 1, CONTENT[:100])
    for path in [file.path, *parts(store)]:
        if not path.name.startswith(young):
            os.utime(path, (old, old))
    assert store.expire() == 1
    assert {path.name for path in parts(store)} == {f"{young}.part", f"{busy.key}.part", "notes.part"}
    assert file.path.read_bytes() == CONTENT
    assert begin(store, name="young.csv").received == 0


def test_what_does_not_fit_on_the_disk_is_refused_before_the_first_byte(store: UploadStore) -> None:
    with pytest.raises(DataError, match=r"has room for .* Free some space"):
        store.begin("huge.csv", 1 << 60, 1, b"x")
    assert parts(store) == []


# a disk that is full, as far as the process can tell: no file may grow beyond so many bytes
FULL = """
import resource, sys
from pathlib import Path
from medilytica_widgets.data.uploads import UploadStore
from medilytica_widgets.errors import DataError
store = UploadStore(Path(sys.argv[1]))
part = store.begin("big.csv", 1_000_000, 1, b"x" * 100)
resource.setrlimit(resource.RLIMIT_FSIZE, (250_000, 250_000))
try:
    for offset in range(0, 1_000_000, 100_000):
        part.write(offset, b"x" * 100_000)
except DataError as error:
    print(error.message)
    print(part.received, sorted(p.name for p in store.folder.rglob("*")))
"""


@pytest.mark.skipif(os.name != "posix", reason="Windows has no limit for the size of files")
def test_a_disk_that_fills_up_midway_leaves_nothing_behind(store: UploadStore) -> None:
    kept = put(store)
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(store.folder)], capture_output=True, text=True, timeout=60, check=True
    )
    said, left = done.stdout.splitlines()
    assert "the disk is full, after 195 KB of 977 KB" in said and "What had come was removed" in said
    assert left == f"200000 {sorted([kept.path.name, 'partial'])}"


KILLED = """
import sys
from pathlib import Path
from medilytica_widgets.data.uploads import UploadStore
content = bytes(range(256)) * 40
part = UploadStore(Path(sys.argv[1])).begin("a.csv", len(content), 1, content[:100])
for offset in range(0, 8000, 500):
    part.write(offset, content[offset : offset + 500])
    print(offset + 500, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_killed_kernel_leaves_a_part_that_another_goes_on_with(store: UploadStore) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(store.folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None and child.stdin is not None
    while child.stdout.readline().strip() != "4000":
        assert child.poll() is None
    with pytest.raises(UploadBusyError):
        begin(store)
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=30)
    part = begin(store)
    assert part.received >= 4000 and part.received % 500 == 0
    send(part)
    assert part.finish().path.read_bytes() == CONTENT
    assert len(stored(store)) == 1 and parts(store) == []


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be made"):
        UploadStore(tmp_path / "file" / "uploads")


def test_a_link_in_the_way_is_not_followed(store: UploadStore, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("keep")
    (store.partial / f"{store.key_of('a.csv', len(CONTENT), 1, CONTENT[:100])}.part").symlink_to(secret)
    with pytest.raises(DataError, match="cannot be written"):
        begin(store)
    assert secret.read_text() == "keep"


# --- what a file holds ----------------------------------------------------------------------------------


def test_a_look_tells_rows_columns_and_the_first_cells(store: UploadStore) -> None:
    file = put(store, CSV, "stars.csv")
    found = look_at(file)
    data = load_dataset(file.path)
    assert (found["rows"], found["columns"], found["error"]) == (len(data), len(data.columns), "")
    assert found["names"] == ["id", "x"]
    assert found["cells"][:2] == [[0, 0.0], [1, 0.1429]]


def test_compressed_text_keeps_both_endings_and_is_read(store: UploadStore) -> None:
    file = put(store, gzip.compress(CSV.replace(b",", b"\t")), "Stars.TSV.gz")
    assert file.path.name == f"{file.sha256}.tsv.gz"
    assert (look_at(file)["rows"], look_at(file)["columns"]) == (500, 2)
    assert in_words([".csv", ".csv.gz", ".zip"]) == ".csv, .zip; text also as .gz"


def test_an_unreadable_file_is_told_by_the_name_it_came_with(store: UploadStore) -> None:
    file = put(store, b"PAR1 and no more than that", "stars.parquet")
    found = look_at(file)
    assert "stars.parquet" in found["error"] and file.sha256 not in found["error"]
    assert found["cells"] == []


def test_a_large_file_is_read_by_another_process_with_the_same_result(store: UploadStore) -> None:
    rows = APART_BYTES // 14 + 1
    content = b"id,x\n" + b"".join(b"%07d,%.3f\n" % (k, k % 97) for k in range(rows * 14 // 12))
    file = put(store, content, "large.csv")
    assert file.size > APART_BYTES
    apart, here = look_at(file), look(file.path, file.name)
    assert apart == here and apart["rows"] == rows * 14 // 12


def test_sizes_in_words() -> None:
    assert [megabytes(size) for size in (7, 2048, 1_572_864, 500 << 20, 3 << 30)] == [
        "7 bytes",
        "2 KB",
        "1.5 MB",
        "500 MB",
        "3 GB",
    ]
    assert uploads.SAMPLE_BYTES == 64 * 1024
