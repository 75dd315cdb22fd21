"""Uploads through their requests: what is stored, what is refused, who goes on after whom, and what everyone sees."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medilytica_widgets import wire
from medilytica_widgets.data import Dataset, load_dataset
from medilytica_widgets.data.uploads import SAMPLE_BYTES, SUFFIXES, Uploaded, UploadStore
from medilytica_widgets.errors import DataError, InputError, MissingFileError, StateError, UnknownArgumentError
from medilytica_widgets.store.home import home
from medilytica_widgets.widgets._arrivals import CHUNK_BYTES, RELEASE_SECONDS, SILENCE_SECONDS, Arrivals
from medilytica_widgets.widgets.data_upload import DataUpload

CSV = b"id,x,<b>label</b>\n" + b"".join(f"{k},{k / 7:.4f},{'no' if k % 3 else 'yes'}\n".encode() for k in range(300))
HOSTILE = "../../etc/<img src=x>\0.csv"
NUMBERS = itertools.count()


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDILYTICA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def upload(browser: Any) -> Iterator[DataUpload]:
    made = DataUpload()
    yield made
    made.close()


class Page:
    """A page that sends files to a widget."""

    def __init__(self, browser: Any, widget: DataUpload, client: str = "page") -> None:
        self.browser, self.widget, self.client = browser, widget, client

    def ask(self, kind: str, body: dict[str, Any], *buffers: bytes) -> dict[str, Any]:
        """Send a request with bytes and return the answering envelope."""
        name = f"{self.client}-{next(NUMBERS)}"
        content = {"v": wire.VERSION, "client": self.client, "id": name, "kind": kind, "body": body}
        message = {"content": {"data": {"method": "custom", "content": content}}}
        self.widget._handle_msg({**message, "buffers": [memoryview(b) for b in buffers]})
        envelope: dict[str, Any] = self.browser.answer(self.widget, name)[0]
        return envelope

    def open(self, content: bytes = CSV, name: str = "stars.csv", known: str = "", **more: Any) -> dict[str, Any]:
        body = {"name": name, "size": len(content), "modified": 7, "known": known, **more}
        return self.ask("upload.open", body, content[:SAMPLE_BYTES] + content[-SAMPLE_BYTES:])["body"]

    def chunk(self, token: str, offset: int, content: bytes) -> dict[str, Any]:
        return self.ask("upload.chunk", {"upload": token, "offset": offset}, content)["body"]

    def send(self, content: bytes = CSV, name: str = "stars.csv") -> dict[str, Any]:
        """Send a whole file, in pieces of 1000 bytes."""
        told = self.open(content, name)
        while told["state"] == "go" and told["received"] < len(content):
            start = told["received"]
            told = {**told, **self.chunk(told["upload"], start, content[start : start + 1000])}
        return told


def settled(browser: Any, widget: DataUpload, count: int = 1) -> list[dict[str, Any]]:
    """Wait until so many files were read, and return what everyone sees of them."""
    browser.until(lambda: sum(one["state"] != "reading" for one in widget.arrived) >= count, 60)
    return list(widget.arrived)


def test_a_file_arrives_and_is_read(browser: Any, upload: DataUpload, own_home: Path) -> None:
    emitted: list[Uploaded] = []
    upload.uploaded.connect(emitted.append)
    told = Page(browser, upload).send()
    assert (told["state"], told["received"]) == ("done", len(CSV))
    sha256 = hashlib.sha256(CSV).hexdigest()
    path = own_home / "data" / "uploads" / f"{sha256}.csv"
    assert upload.files == emitted == [Uploaded("stars.csv", len(CSV), path, sha256)]
    assert path.read_bytes() == CSV
    [told] = settled(browser, upload)
    assert (told["rows"], told["columns"], told["state"], told["error"]) == (300, 3, "read", "")
    browser.until(lambda: upload.arriving == [])


def test_the_dataset_finds_its_file_again(browser: Any, upload: DataUpload) -> None:
    Page(browser, upload).send()
    Page(browser, upload).send(CSV.replace(b"yes", b"perhaps"), "others.csv")
    data = upload.dataset("stars.csv", target="<b>label</b>")
    assert (data.name, len(data), data.target) == ("stars", 300, "<b>label</b>")
    assert data.spec.source == f"upload:{upload.files[0].sha256}/stars.csv"
    assert Dataset.from_spec(data.spec).frame.equals(data.frame)
    assert "perhaps" in upload.dataset().frame["<b>label</b>"].tolist(), "the latest where no name is given"
    with pytest.raises(InputError, match=r"No file 'star\.csv' has arrived\. Did you mean 'stars\.csv'"):
        upload.dataset("star.csv")


def test_a_specification_of_an_upload_is_good_in_another_place(
    browser: Any, upload: DataUpload, own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Page(browser, upload).send()
    data = upload.dataset()
    assert str(tmp_path) not in data.spec.model_dump_json()
    own_home.rename(tmp_path / "elsewhere")
    with pytest.raises(MissingFileError, match=r"'stars\.csv' \(SHA-256 [0-9a-f]{12}…\) is not stored here.*again"):
        Dataset.from_spec(data.spec)
    monkeypatch.setenv("MEDILYTICA_HOME", str(tmp_path / "elsewhere"))
    again = Dataset.from_spec(data.spec)
    assert again.frame.equals(data.frame) and again.spec == data.spec and again.name == "stars"
    stored_file = tmp_path / "elsewhere" / "data" / "uploads" / upload.files[0].path.name
    stored_file.chmod(0o600)
    stored_file.write_bytes(CSV + b"300,1,no\n")
    with pytest.raises(DataError, match=r"stored file of 'stars\.csv' was changed"):
        Dataset.from_spec(data.spec)
    stored_file.write_bytes(b"x,y\n1,2\n1,2,3\n")
    with pytest.raises(DataError, match=r"'stars\.csv': line 3"):
        Dataset.from_spec(data.spec)


@pytest.mark.parametrize(
    "source", ["upload:../../etc/passwd", "upload:", "upload:abc/x.csv", f"upload:{'g' * 64}/x.csv"]
)
def test_a_source_that_names_no_upload(source: str) -> None:
    with pytest.raises(DataError, match="names no uploaded file"):
        load_dataset(source)
    with pytest.raises(MissingFileError, match="is not stored here"):
        load_dataset(f"upload:{'0' * 64}/../../etc/passwd")


def test_what_was_uploaded_before_a_restart_is_found_by_its_name(
    browser: Any, upload: DataUpload, own_home: Path
) -> None:
    page = Page(browser, upload)
    page.send()
    page.send(CSV.replace(b"yes", b"perhaps"), "others.csv")
    assert upload.before == []
    later = DataUpload()
    assert later.files == [] and [one["name"] for one in later.before_told] == ["others.csv", "stars.csv"]
    with pytest.raises(StateError, match=r"taken by name: 'others\.csv', 'stars\.csv'"):
        later.dataset()
    assert len(later.dataset("stars.csv")) == 300
    assert [file.name for file in later.files] == ["stars.csv"] and [file.name for file in later.before] == [
        "others.csv"
    ]
    with pytest.raises(InputError, match=r"Did you mean 'others\.csv'"):
        later.dataset("other.csv")
    told = later.before_told[-1] if later.before_told[-1]["name"] == "others.csv" else later.before_told[0]
    envelope, _ = browser.ask(later, "upload.adopt", {"sha256": told["sha256"], "name": told["name"]})
    assert envelope["kind"] == "upload.adopt.result" and later.before == []
    assert {one["name"]: one["state"] for one in settled(browser, later, 2)} == {
        "stars.csv": "read",
        "others.csv": "read",
    }
    assert later.before_told == []
    envelope, _ = browser.ask(later, "upload.adopt", {"sha256": "0" * 64, "name": "x.csv"})
    assert "not stored any more" in envelope["body"]["message"]
    # without the names they are found by their hash
    (own_home / "data" / "uploads" / "names.jsonl").write_bytes(b"{}\nno json\n\xff\n")
    assert [re.sub("[0-9a-f]{12}", "…", file.name) for file in DataUpload().before] == ["……" + ".csv"] * 2
    later.close()


def test_a_file_is_read_in_another_way(browser: Any, upload: DataUpload) -> None:
    page = Page(browser, upload)
    page.send(b"a|b;c\n1|2;5\n3|4;5\n", "odd.csv")
    [told] = settled(browser, upload)
    sha256 = told["sha256"]
    options = {"delimiter": ";", "header": None}
    envelope, _ = browser.ask(upload, "upload.reread", {"sha256": sha256, "options": options})
    assert envelope["kind"] == "upload.reread.result"
    browser.until(lambda: upload.arrived[0]["rows"] == 3, 60)
    assert upload.arrived[0]["options"] == options and upload.arrived[0]["columns"] == 2
    assert upload.arrived[0]["found"]["delimiter"] == ";" and upload.arrived[0]["found"]["header"] is None
    envelope, _ = browser.ask(upload, "upload.preview", {"sha256": sha256})
    assert envelope["body"]["cells"][0] == ["a|b", "c"]
    data = upload.dataset()
    assert len(data) == 3 and data.spec.read_as.said == options
    assert Dataset.from_spec(data.spec).frame.equals(data.frame)
    assert len(upload.dataset(header=0)) == 2, "what is given wins"
    for wrong, said in (
        ({"delimiter": ";;"}, "takes one character"),
        ({"delimter": ";"}, "Did you mean 'delimiter'"),
        ({"sheet": 3}, "name of a sheet"),
        ({"encoding": "lattin-1"}, "Did you mean 'latin-1'"),
    ):
        envelope, _ = browser.ask(upload, "upload.reread", {"sha256": sha256, "options": wrong})
        assert envelope["kind"] == "upload.reread.error" and said in envelope["body"]["message"]
    browser.ask(upload, "upload.reread", {"sha256": sha256, "options": {"header": 7}})
    browser.until(lambda: upload.arrived[0]["state"] == "unreadable", 60)
    assert "'odd.csv' has no row 7" in upload.arrived[0]["error"]
    browser.ask(upload, "upload.reread", {"sha256": sha256, "options": {}})
    browser.until(lambda: upload.arrived[0]["rows"] == 2, 60)


def test_before_anything_has_arrived(browser: Any, upload: DataUpload) -> None:
    with pytest.raises(StateError, match=r"No file has arrived yet.*mw\.load_dataset"):
        upload.dataset()
    page = Page(browser, upload)
    page.chunk(page.open()["upload"], 0, CSV[:1000])
    with pytest.raises(StateError, match=r"'stars\.csv' is still on its way: \d+%"):
        upload.dataset()


def test_the_same_file_twice_is_stored_and_listed_once(browser: Any, upload: DataUpload) -> None:
    page = Page(browser, upload)
    page.send()
    settled(browser, upload)
    page.send()
    page.send(name="same.csv")
    assert [file.name for file in upload.files] == ["stars.csv", "same.csv"]
    browser.until(lambda: [one["state"] for one in upload.arrived] == ["read", "read"])
    assert len(list((home() / "data" / "uploads").glob("*.csv"))) == 1


def test_a_hostile_name_is_a_label_only(browser: Any, upload: DataUpload, own_home: Path) -> None:
    assert Page(browser, upload).send(name=HOSTILE)["state"] == "done"
    [file] = upload.files
    assert file.name == "../../etc/<img src=x>�.csv"
    assert sorted(p.name for p in own_home.rglob("*") if p.is_file()) == sorted([f"{file.sha256}.csv", "names.jsonl"])
    settled(browser, upload)
    html = upload.static_html()
    assert "&lt;img src=x&gt;" in html and "<img" not in html
    assert len(upload.dataset(HOSTILE)) == 300


def test_a_file_that_cannot_be_read_says_so_beside_it(browser: Any, upload: DataUpload) -> None:
    Page(browser, upload).send(b"PAR1 cut", "stars.parquet")
    [told] = settled(browser, upload)
    assert told["state"] == "unreadable" and "stars.parquet" in told["error"]
    assert told["error"].endswith(".") and told["sha256"] not in told["error"]
    with pytest.raises(DataError, match=r"stars\.parquet"):
        upload.dataset()
    assert "stars.parquet" in upload.static_html()


def test_the_first_rows_are_told_on_request(browser: Any, upload: DataUpload) -> None:
    Page(browser, upload).send()
    [told] = settled(browser, upload)
    body = browser.ask(upload, "upload.preview", {"sha256": told["sha256"]})[0]["body"]
    assert body["names"] == ["id", "x", "<b>label</b>"]
    assert body["cells"][:2] == [[0, 0.0, "yes"], [1, 0.1429, "no"]]
    json.dumps(body, allow_nan=False)
    refused = browser.ask(upload, "upload.preview", {"sha256": "../../etc/passwd"})[0]
    assert refused["kind"] == "upload.preview.error"


@pytest.mark.parametrize(
    ("name", "size", "said"),
    [
        ("big.csv", 2 * 2**20 + 1, "'big.csv' has 2 MB; 2 MB are the most here. Set limit_mb"),
        ("huge.csv", 10**15, "are the most here"),
        ("empty.csv", 0, "is empty"),
        ("negative.csv", -5, "is empty"),
        ("program.exe", 10, "its name has to end in .csv, .parquet"),
        ("csv", 10, "has to end in"),
    ],
)
def test_what_is_not_taken_is_refused_before_the_first_byte(
    browser: Any, own_home: Path, name: str, size: int, said: str
) -> None:
    upload = DataUpload(limit_mb=2, accept=["csv", ".PARQUET"])
    answer = Page(browser, upload).open(name=name, size=size)
    assert said in answer["message"]
    assert not (own_home / "data").exists()
    upload.close()


def test_a_page_that_lies_about_the_size_gets_no_further(browser: Any, upload: DataUpload) -> None:
    page = Page(browser, upload)
    token = page.open(size=1000)["upload"]
    assert "More came" in page.chunk(token, 0, CSV[:2000])["message"]
    assert page.chunk(token, 0, CSV[:1000])["state"] == "lost"
    assert list((home() / "data" / "uploads" / "partial").iterdir()) == []


@pytest.mark.parametrize("buffers", [(), (b"",), (b"a", b"b"), (b"x" * (CHUNK_BYTES + 1),)])
def test_a_chunk_has_one_buffer_of_a_fair_size(browser: Any, upload: DataUpload, buffers: tuple[bytes, ...]) -> None:
    page = Page(browser, upload)
    token = page.open()["upload"]
    answer = page.ask("upload.chunk", {"upload": token, "offset": 0}, *buffers)
    assert answer["kind"] == "upload.chunk.error" and "buffer" in answer["body"]["message"]


def test_a_page_that_comes_back_goes_on_from_what_is_here(browser: Any, upload: DataUpload) -> None:
    page = Page(browser, upload)
    first = page.open()
    page.chunk(first["upload"], 0, CSV[:1000])
    again = page.open(known=first["upload"])
    assert (again["state"], again["upload"], again["received"]) == ("go", first["upload"], 1000)
    gap = page.chunk(first["upload"], 2000, CSV[2000:3000])
    assert gap == {"state": "go", "received": 1000}


def test_a_lost_last_answer_can_be_asked_for_again(browser: Any, upload: DataUpload) -> None:
    page = Page(browser, upload)
    told = page.send()
    assert page.open(known=told["upload"])["state"] == "done"
    assert page.chunk(told["upload"], 0, CSV[:10])["state"] == "done"
    assert page.open()["state"] == "go", "a person who chooses it again sends it again"


def test_another_widget_goes_on_where_one_was_closed(browser: Any, upload: DataUpload) -> None:
    page = Page(browser, upload)
    page.chunk(page.open()["upload"], 0, CSV[:1000])
    other = DataUpload()
    assert Page(browser, other).open()["state"] == "busy"
    upload.close()
    assert Page(browser, other).open()["received"] == 1000
    other.close()


def test_a_cancelled_upload_leaves_nothing(browser: Any, upload: DataUpload) -> None:
    page = Page(browser, upload)
    token = page.open()["upload"]
    page.chunk(token, 0, CSV[:1000])
    browser.until(lambda: [one["received"] for one in upload.arriving] == [1000])
    page.ask("upload.cancel", {"upload": token})
    assert page.chunk(token, 1000, CSV[1000:2000])["state"] == "lost"
    assert list((home() / "data" / "uploads" / "partial").iterdir()) == []
    browser.until(lambda: upload.arriving == [])
    assert page.open()["received"] == 0


def test_a_failing_listener_does_not_undo_an_upload(browser: Any, upload: DataUpload) -> None:
    def fail(file: Uploaded) -> None:
        raise ZeroDivisionError

    upload.uploaded.connect(fail)
    assert Page(browser, upload).send()["state"] == "done"
    assert len(upload.files) == 1


def test_two_files_at_once(browser: Any, upload: DataUpload) -> None:
    other = CSV.replace(b"yes", b"perhaps")
    pages = [
        threading.Thread(target=Page(browser, upload, name).send, args=given)
        for name, given in {"one": (CSV, "a.csv"), "two": (other, "b.csv")}.items()
    ]
    for page in pages:
        page.start()
    for page in pages:
        page.join(60)
    assert {file.name: file.path.read_bytes() for file in upload.files} == {"a.csv": CSV, "b.csv": other}


def test_it_is_a_write_access_and_the_preview_is_none(browser: Any) -> None:
    access = {kind: wire.access_of(kind) for kind in wire.REQUESTS if kind.startswith("upload.")}
    write = ("upload.open", "upload.chunk", "upload.cancel", "upload.adopt", "upload.reread")
    assert access == {**dict.fromkeys(write, "write"), "upload.preview": "read"}


# --- two pages, one file -----------------------------------------------------------------------------


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def arrivals(tmp_path: Path) -> Iterator[tuple[Arrivals, Clock, list[Uploaded]]]:
    clock, done = Clock(), []
    made = Arrivals(lambda: UploadStore(tmp_path / "store"), done.append, clock)
    yield made, clock, done
    made.release()


BYTES = b"x" * 5000


def test_a_second_page_waits_for_the_first_one_and_is_done_with_it(arrivals: Any) -> None:
    made, _, done = arrivals
    one = made.open("a.csv", 5000, 1, "", BYTES[:10])
    two = made.open("a.csv", 5000, 1, "", BYTES[:10])
    assert (one["state"], two["state"]) == ("go", "busy")
    assert made.chunk(two["upload"], 0, BYTES)["state"] == "lost"
    made.chunk(one["upload"], 0, BYTES[:2000])
    two = made.open("a.csv", 5000, 1, two["upload"], BYTES[:10])
    assert (two["state"], two["received"]) == ("busy", 2000)
    made.cancel(two["upload"])
    assert made.chunk(one["upload"], 2000, BYTES[2000:])["state"] == "done"
    assert made.open("a.csv", 5000, 1, two["upload"], BYTES[:10])["state"] == "done"
    assert len(done) == 1


def test_a_second_page_goes_on_where_the_first_one_fell_silent(arrivals: Any) -> None:
    made, clock, done = arrivals
    one = made.open("a.csv", 5000, 1, "", BYTES[:10])
    made.chunk(one["upload"], 0, BYTES[:2000])
    clock.now = SILENCE_SECONDS + 1
    assert made.told()[0]["silent"] is True
    two = made.open("a.csv", 5000, 1, "", BYTES[:10])
    assert (two["state"], two["received"]) == ("go", 2000)
    # the first one was only slow: it is told to ask, and waits now
    assert made.chunk(one["upload"], 2000, BYTES[2000:])["state"] == "lost"
    assert made.open("a.csv", 5000, 1, one["upload"], BYTES[:10])["state"] == "busy"
    assert made.chunk(two["upload"], 2000, BYTES[2000:])["state"] == "done"
    assert done[0].path.read_bytes() == BYTES


def test_what_nobody_sends_any_more_is_let_go_and_kept_on_the_disk(arrivals: Any, tmp_path: Path) -> None:
    made, clock, _ = arrivals
    one = made.open("a.csv", 5000, 1, "", BYTES[:10])
    made.chunk(one["upload"], 0, BYTES[:2000])
    clock.now = RELEASE_SECONDS + 1
    assert made.told() == []
    assert made.chunk(one["upload"], 2000, BYTES[2000:])["state"] == "lost"
    assert made.open("a.csv", 5000, 1, one["upload"], BYTES[:10])["received"] == 2000


def test_a_slow_disk_keeps_nobody_waiting_for_the_picture(arrivals: Any) -> None:
    made, _, _ = arrivals
    one = made.open("a.csv", 5000, 1, "", BYTES[:10])
    before = made.told()
    part = next(iter(made._sending.values())).part
    writing, go_on = threading.Event(), threading.Event()
    seen: list[Any] = []

    def look() -> None:
        writing.wait(10)
        seen.append(made.told())
        go_on.set()

    write = part.write

    def slow(offset: int, content: Any) -> int:
        writing.set()
        assert go_on.wait(10), "the picture waited for the disk"
        return int(write(offset, content))

    part.write = slow
    other = threading.Thread(target=look)
    other.start()
    assert made.chunk(one["upload"], 0, BYTES[:2000])["received"] == 2000
    other.join(10)
    assert seen == [before]


def test_a_disk_error_ends_the_upload_and_says_what_to_do(arrivals: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made, _, done = arrivals
    one = made.open("a.csv", 5000, 1, "", BYTES[:10])
    made.chunk(one["upload"], 0, BYTES[:2000])
    # the file's own descriptor is exchanged for one that takes no bytes, as a full disk does
    part = next(iter(made._sending.values())).part
    full = os.open("/dev/full", os.O_RDWR)
    os.dup2(full, part._descriptor)
    os.close(full)
    with pytest.raises(DataError, match="the disk is full"):
        made.chunk(one["upload"], 2000, BYTES[2000:])
    assert made.told() == [] and done == []
    assert made.open("a.csv", 5000, 1, one["upload"], BYTES[:10])["received"] == 0


# --- arguments and the static form ---------------------------------------------------------------------


@pytest.mark.parametrize("limit", [0, -1, True, "500", None, float("nan"), float("inf")])
def test_an_impossible_limit_is_refused(browser: Any, limit: Any) -> None:
    with pytest.raises(InputError, match="limit_mb is the size of the largest file"):
        DataUpload(limit_mb=limit)


@pytest.mark.parametrize("accept", [".exe", ["csv", "cvs"], [], ["../x"]])
def test_endings_that_are_none_of_a_table_are_refused(browser: Any, accept: Any) -> None:
    with pytest.raises(InputError, match="accept="):
        DataUpload(accept=accept)


def test_what_it_takes_by_default(browser: Any) -> None:
    upload = DataUpload()
    assert upload.limit == 500 * 2**20 and upload.accept == list(SUFFIXES)
    assert DataUpload(accept=".csv").accept == [".csv"]
    with pytest.raises(UnknownArgumentError, match="Did you mean 'limit_mb'"):
        DataUpload(limitmb=3)


def test_the_static_form_says_what_was_uploaded(headless: Any) -> None:
    upload = DataUpload()
    assert "Nothing was uploaded." in upload.static_html()
    path = home() / "data" / "uploads"
    part = UploadStore(path).begin("stars.csv", len(CSV), 1, CSV)
    part.write(0, CSV)
    upload._keep(part.finish())
    headless.until(lambda: "300 rows × 3 columns" in upload.static_html(), 60)
    assert "stars.csv" in upload.static_html() and "KB" in upload.static_html()
    assert headless.comms == []
