"""A backup holds everything, is whole or absent, and is believed only where its checksums agree."""

from __future__ import annotations

import json
import os
import stat
import threading
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from medilytica_widgets.engine.atomic import replacing
from medilytica_widgets.errors import InputError, StateError
from medilytica_widgets.store import RunRecord, RunStore, backup, home, restore, run_folder
from tests.store.conftest import Postgres, until

Stores = Callable[..., RunStore]
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def name(number: int) -> str:
    return f"{number:012x}"


def fill(store: RunStore, count: int = 3) -> None:
    for number in range(1, count + 1):
        record = RunRecord(
            id=name(number),
            number=number,
            name=f"run {number}",
            created=NOON + timedelta(hours=number),
            status="finished",
            metrics={"accuracy": number / 10, "nan": float("nan")},
            tags=("kept",),
            folder=str(run_folder(name(number))),
        )
        store.post(record)
        folder = run_folder(name(number))
        (folder / "epochs").mkdir(parents=True)
        (folder / "checkpoint.safetensors").write_bytes(os.urandom(3_000_000))
        (folder / "epochs" / "00000001.safetensors").write_bytes(bytes([number]) * 1000)
        (folder / "run.json").write_text('{"seed": 1}')
        (folder / ".checkpoint.safetensors.x.part").write_bytes(b"half")
        (folder / "link").symlink_to("/etc/hostname")


def contents(runs: Path) -> dict[str, bytes]:
    found = [path for path in runs.rglob("*") if path.is_file() and not path.is_symlink()]
    return {path.relative_to(runs).as_posix(): path.read_bytes() for path in found if not path.name.startswith(".")}


def rows(store: RunStore) -> list[dict[str, object]]:
    return [{**record.to_json(), "folder": ""} for record in store.records()]


@pytest.fixture
def made(stores: Stores, tmp_path: Path) -> Path:
    """A backup of three runs."""
    store = stores()
    fill(store)
    return backup(tmp_path / "runs.zip", store)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home."""
    folder = tmp_path / "elsewhere"
    monkeypatch.setenv("MEDILYTICA_HOME", str(folder))
    return folder


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_an_empty_home_gets_everything_back(
    stores: Stores,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    kind: str,
) -> None:
    store = stores()
    fill(store)
    expected, files = rows(store), contents(home() / "runs")
    path = backup(tmp_path / "runs.zip", store)
    monkeypatch.setenv("MEDILYTICA_HOME", str(tmp_path / "elsewhere"))
    other = stores(request.getfixturevalue("postgres").new_database() if kind == "postgresql" else None)
    assert restore(path, store=other) == [name(1), name(2), name(3)]
    assert rows(other) == expected and contents(tmp_path / "elsewhere" / "runs") == files
    assert other.get(name(1)).folder == str(tmp_path / "elsewhere" / "runs" / name(1))
    assert not [path for path in (home() / "runs").iterdir() if path.name.startswith(".")]


def test_postgresql_goes_back_into_sqlite(
    stores: Stores, postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = stores(postgres.new_database())
    fill(store, 2)
    expected = rows(store)
    path = backup(tmp_path / "runs.zip", store)
    monkeypatch.setenv("MEDILYTICA_HOME", str(tmp_path / "elsewhere"))
    restore(path, store=(other := stores()))
    assert rows(other) == expected


def test_large_tensors_are_stored_as_they_are(made: Path) -> None:
    with zipfile.ZipFile(made) as archive:
        kinds = {info.filename: info.compress_type for info in archive.infolist()}
    assert kinds[f"runs/{name(1)}/checkpoint.safetensors"] == zipfile.ZIP_STORED
    assert kinds["runs.jsonl"] == zipfile.ZIP_DEFLATED
    assert not [part for part in kinds if part.endswith((".part", "link"))]


def test_a_backup_while_runs_train_is_consistent(
    stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = stores()
    fill(store, 1)
    store.post(name(1), status="running")
    folder = run_folder(name(1))
    size = 400_000
    ended, rounds = threading.Event(), [0]

    def train() -> None:
        """Replace the checkpoint, add an epoch and thin out the oldest, as the engine does, over and over."""
        while not ended.is_set():
            rounds[0] += 1
            content = rounds[0].to_bytes(4, "little") * (size // 4)
            for path in (folder / "checkpoint.safetensors", folder / "epochs" / f"{rounds[0]:08}.safetensors"):
                with replacing(path, durable=False) as file:
                    file.write(content)
            for old in sorted((folder / "epochs").iterdir())[:-5]:
                old.unlink()
            store.post(name(1), epoch=float(rounds[0]))

    trainer = threading.Thread(target=train)
    trainer.start()
    try:
        until(lambda: rounds[0] > 10)
        for attempt in range(5):
            path = backup(tmp_path / f"{attempt}.zip", store)
            monkeypatch.setenv("MEDILYTICA_HOME", str(tmp_path / f"home{attempt}"))
            other = stores()
            restore(path, store=other)
            copy = run_folder(name(1))
            epochs = sorted((copy / "epochs").iterdir())
            for file in [copy / "checkpoint.safetensors", *epochs]:
                whole = file.read_bytes()
                assert len(whole) == size and whole == whole[:4] * (size // 4), f"{file} is of several moments"
            assert len(epochs) >= 5
            newest = int(epochs[-1].stem)
            record = other.get(name(1))
            assert record.status == "interrupted" and record.epoch <= newest
            monkeypatch.setenv("MEDILYTICA_HOME", str(tmp_path / "home"))
    finally:
        ended.set()
        trainer.join()


def test_runs_that_are_here_are_replaced_only_when_asked(stores: Stores, made: Path) -> None:
    store = stores()
    (run_folder(name(2)) / "run.json").write_text("newer")
    store.post(name(2), name="newer")
    before = rows(store)
    with pytest.raises(InputError, match="3 of the backup's runs are here already.*overwrite=True"):
        restore(made, store=store)
    assert rows(store) == before and (run_folder(name(2)) / "run.json").read_text() == "newer"
    (run_folder(name(2)) / "stray").write_text("")
    restore(made, overwrite=True, store=store)
    assert store.get(name(2)).name == "run 2"
    assert (run_folder(name(2)) / "run.json").read_text() == '{"seed": 1}'
    assert not (run_folder(name(2)) / "stray").exists()


def test_a_folder_without_a_record_counts_as_here(stores: Stores, made: Path) -> None:
    store = stores()
    store.delete(name(1), files=False)
    store.delete(name(2))
    store.delete(name(3))
    with pytest.raises(InputError, match="1 of the backup's runs"):
        restore(made, store=store)
    assert len(store.list()) == 0


def test_a_living_run_is_never_replaced(stores: Stores, made: Path) -> None:
    store = stores()
    store.post(name(1), status="running")
    with pytest.raises(StateError, match="stop it before it is replaced"):
        restore(made, overwrite=True, store=store)


def test_where_the_store_fails_the_folders_go_back(
    stores: Stores, made: Path, postgres: Postgres, elsewhere: Path
) -> None:
    store = stores(postgres.new_database())
    fill(store, 1)
    (run_folder(name(1)) / "run.json").write_text("mine")
    with store.database.connect(write=True) as connection:
        connection.exec_driver_sql("ALTER TABLE medilytica_runs ADD CONSTRAINT small CHECK (number < 3)")
    with pytest.raises(StateError, match="small"):
        restore(made, overwrite=True, store=store)
    assert (run_folder(name(1)) / "run.json").read_text() == "mine"
    assert [path.name for path in (elsewhere / "runs").iterdir()] == [name(1)]
    assert len(store.list()) == 1


def repack(path: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
    """Write the parts of a zip anew, after a change."""
    with zipfile.ZipFile(path) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    change(parts)
    other = path.with_name("changed.zip")
    with zipfile.ZipFile(other, "w") as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
    return other


def edit(parts: dict[str, bytes], /, **facts: object) -> None:
    parts["manifest.json"] = json.dumps(json.loads(parts["manifest.json"]) | facts).encode()


def smuggle(parts: dict[str, bytes], path: str, **facts: object) -> None:
    manifest = json.loads(parts["manifest.json"])
    manifest["parts"][path] = manifest["parts"][f"runs/{name(1)}/run.json"] | facts
    parts[path] = parts[f"runs/{name(1)}/run.json"]
    edit(parts, **manifest)


CHECKPOINT = f"runs/{name(2)}/checkpoint.safetensors"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda parts: parts.update({CHECKPOINT: bytes([parts[CHECKPOINT][0] ^ 255]) + parts[CHECKPOINT][1:]}),
            "checksum",
        ),
        (lambda parts: parts.update({CHECKPOINT: parts[CHECKPOINT] + b"\0"}), "checksum"),
        (lambda parts: parts.update({"runs.jsonl": parts["runs.jsonl"].replace(b"run 1", b"run 9")}), "checksum"),
        (lambda parts: parts.pop(CHECKPOINT), "its parts are not those"),
        (lambda parts: parts.update({f"runs/{name(1)}/more": b""}), "its parts are not those"),
        (lambda parts: parts.pop("manifest.json"), "not a backup made by"),
        (lambda parts: edit(parts, format="other"), "not a backup made by"),
        (lambda parts: edit(parts, version=99), "later version"),
        (lambda parts: edit(parts, parts=[]), "names no parts"),
        (lambda parts: smuggle(parts, f"runs/{name(1)}/large", size=10**18), "are free"),
        (lambda parts: smuggle(parts, f"runs/{name(1)}/large", size=10**6), "checksum"),
        (lambda parts: parts.update({"manifest.json": b"[" * 100_000}), "not a backup made by"),
        (lambda parts: smuggle(parts, f"runs/{name(1)}/../../../evil"), "Do not use this file"),
        (lambda parts: smuggle(parts, "/etc/evil"), "Do not use this file"),
        (lambda parts: smuggle(parts, f"runs/{name(1)}/C:\\evil"), "Do not use this file"),
        (lambda parts: smuggle(parts, f"runs/{name(1)}//evil"), "Do not use this file"),
        (lambda parts: smuggle(parts, "runs/../evil"), "Do not use this file"),
        (lambda parts: smuggle(parts, "runs.sqlite"), "Do not use this file"),
        (lambda parts: smuggle(parts, f"runs/{name(1)}/RUN.json"), "Do not use this file"),
    ],
)
def test_what_is_damaged_or_foreign_changes_nothing(
    stores: Stores, made: Path, elsewhere: Path, change: Callable[[dict[str, bytes]], object], said: str
) -> None:
    store = stores()
    with pytest.raises(InputError, match=said):
        restore(repack(made, change), store=store)
    assert len(store.list()) == 0
    assert contents(elsewhere.parent / "elsewhere" / "runs") == {}
    assert not list(elsewhere.parent.rglob("evil"))


@pytest.mark.parametrize("where", [0.1, 0.5, 0.9, 0.9999])
def test_a_file_that_was_cut_off_or_hit_is_damaged(stores: Stores, made: Path, elsewhere: Path, where: float) -> None:
    content = bytearray(made.read_bytes())
    spot = int(len(content) * where)
    (cut := made.with_name("cut.zip")).write_bytes(content[:spot])
    content[spot] ^= 0xFF
    (hit := made.with_name("hit.zip")).write_bytes(content)
    store = stores()
    for path in (cut, hit):
        with pytest.raises(InputError, match=r"damaged|not a backup|Do not use"):
            restore(path, store=store)
    assert len(store.list()) == 0 and contents(elsewhere / "runs") == {}


def test_a_link_in_the_file_is_refused(stores: Stores, made: Path, elsewhere: Path) -> None:
    with zipfile.ZipFile(made) as archive:
        parts = {info: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(changed := made.with_name("link.zip"), "w") as archive:
        for info, content in parts.items():
            if info.filename == f"runs/{name(1)}/run.json":
                info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, content)
    with pytest.raises(InputError, match="not a plain file"):
        restore(changed, store=stores())


@pytest.mark.parametrize("content", [b"", b"PK", b"text that is no zip", None])
def test_other_files_are_said_to_be_other_files(stores: Stores, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "other"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match="no file|not a backup|damaged"):
        restore(path, store=stores())
    with pytest.raises(InputError, match="There is no backup"):
        restore(tmp_path / "missing.zip", store=stores())


def test_a_backup_that_cannot_be_written_leaves_the_former_one(stores: Stores, made: Path) -> None:
    store, former = stores(), made.read_bytes()
    with pytest.raises(InputError, match="is a folder"):
        backup(made.parent, store)
    with pytest.raises(InputError, match="cannot be written"):
        backup(made.parent / "missing" / "runs.zip", store)
    (home() / "runs" / name(2) / "run.json").unlink()
    (home() / "runs" / name(2) / "run.json").mkdir()
    os.mkfifo(home() / "runs" / name(2) / "pipe")
    assert backup(made, store) == made and made.read_bytes() != former
    assert [path.name for path in made.parent.iterdir() if path.name.endswith(".part")] == []


def test_a_store_without_runs_is_backed_up_too(stores: Stores, tmp_path: Path, elsewhere: Path) -> None:
    store = stores()
    assert restore(backup(tmp_path / "empty.zip", store), store=store) == []
