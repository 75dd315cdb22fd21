"""NASA's tables: fetched once and kept; slow, cut off, wrong and absent answers end with a clear message."""

from __future__ import annotations

import http.server
import socket
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from medilytica_widgets.data import Dataset, archive, load_dataset
from medilytica_widgets.errors import DataError, UnknownArgumentError
from medilytica_widgets.store.home import home_path

HEADERS = {
    "cumulative": "kepid,koi_disposition,koi_period",
    "toi": "toi,tfopwg_disp,pl_orbper",
    "k2pandc": "pl_name,disposition,pl_orbper",
}


def csv_of(table: str, rows: int = 60) -> bytes:
    words = ("CONFIRMED", "FALSE POSITIVE")
    lines = [HEADERS[table], *(f"{1000 + i},{words[i % 2]},{i * 1.25}" for i in range(rows))]
    return ("\n".join(lines) + "\n").encode()


class Service(http.server.ThreadingHTTPServer):
    """Answers as the archive does; ``mode`` says how badly."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.mode = "well"
        self.queries: list[dict[str, str]] = []
        self.over = threading.Event()
        self.body: Callable[[str], bytes] = csv_of


class Handler(http.server.BaseHTTPRequestHandler):
    server: Service
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        service = self.server
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        service.queries.append(query)
        body = service.body(query["query"].rsplit(" ", 1)[-1])
        mode = service.mode
        self.close_connection = True
        if mode == "silent":
            service.over.wait(30)
            return
        self.send_response(500 if mode == "broken" else 200)
        if mode in ("chunked", "chunks cut"):
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for at in range(0, len(body), 500):
                piece = body[at : at + 500]
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                if mode == "chunks cut":
                    return
            self.wfile.write(b"0\r\n\r\n")
            return
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if mode == "cut":
            self.wfile.write(body[: len(body) // 2])
        elif mode == "dripping":
            # never silent for long, and never done
            for byte in body:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                if service.over.wait(0.02):
                    return
        elif mode == "stops":
            self.wfile.write(body[:100])
            self.wfile.flush()
            service.over.wait(30)
        else:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Service]:
    monkeypatch.setenv("MEDILYTICA_HOME", str(tmp_path / "home"))
    with Service() as running:
        running.handle_error = lambda *args: None  # type: ignore[method-assign]
        threading.Thread(target=running.serve_forever, daemon=True).start()
        monkeypatch.setattr(archive, "ADDRESS", f"http://127.0.0.1:{running.server_address[1]}/TAP/sync")
        yield running
        running.over.set()
        running.shutdown()


@pytest.mark.parametrize(
    ("name", "table", "target"),
    [
        ("cumulative", "cumulative", "koi_disposition"),
        ("toi", "toi", "tfopwg_disp"),
        ("tess", "toi", "tfopwg_disp"),
        ("k2pandc", "k2pandc", "disposition"),
        ("k2", "k2pandc", "disposition"),
    ],
)
@pytest.mark.parametrize("mode", ["well", "chunked"])
def test_a_table_is_fetched_once_and_kept(service: Service, name: str, table: str, target: str, mode: str) -> None:
    service.mode = mode
    data = load_dataset(name)
    assert service.queries == [{"query": f"select * from {table}", "format": "csv"}]
    assert len(data) == 60 and data.target == target and data.name == name and data.task == "classification"
    assert any("fetched from the NASA Exoplanet Archive" in note for note in data.notes)
    service.mode = "broken"
    again = load_dataset(name)
    assert len(service.queries) == 1 and again.frame.equals(data.frame)
    assert any("refresh=True" in note for note in again.notes)
    spec = Dataset.from_spec(data.spec.model_dump())
    assert spec.spec == data.spec and data.spec.source == name and len(service.queries) == 1
    with pytest.raises(DataError, match="The copy on this machine was kept"):
        load_dataset(name, refresh=True)
    assert load_dataset(name).frame.equals(data.frame)


def test_refresh_fetches_anew(service: Service) -> None:
    load_dataset("toi")
    service.body = lambda table: csv_of(table, 70)
    assert len(load_dataset("toi")) == 60
    assert len(load_dataset("toi", refresh=True)) == 70
    assert len(load_dataset("toi")) == 70
    with pytest.raises(UnknownArgumentError, match="refresh"):
        load_dataset("toi", refesh=True)
    with pytest.raises(DataError, match="True or False"):
        load_dataset("toi", refresh="yes")


@pytest.mark.parametrize(
    ("mode", "match"),
    [
        ("broken", "answered 500"),
        ("cut", "cut off after"),
        ("chunks cut", "cut off after"),
        ("silent", "silent for 0.3 seconds"),
        ("stops", "silent for 0.3 seconds"),
        ("dripping", "too slow"),
    ],
)
def test_bad_answers_leave_nothing_behind(
    service: Service, mode: str, match: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("medilytica_widgets.data.download.URL_SECONDS", 0.3)
    monkeypatch.setattr("medilytica_widgets.data.download.WHOLE_SECONDS", 0.5 if mode == "dripping" else 60.0)
    service.mode = mode
    with pytest.raises(DataError, match=rf"NASA's Kepler table 'cumulative'.*{match}.*load_dataset\('kepler'\)"):
        load_dataset("cumulative")
    assert not [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    service.mode = "well"
    assert len(load_dataset("cumulative")) == 60


def test_too_large_an_answer(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medilytica_widgets.data.download.URL_LIMIT", 1000)
    for service.mode in ("well", "chunked"):
        with pytest.raises(DataError, match="larger than"):
            load_dataset("toi")


@pytest.mark.parametrize(
    "body", [b'<?xml version="1.0"?>\n<VOTABLE>ERROR</VOTABLE>\n', b"", b"toi,tfopwg_disp,pl_orbper\n"]
)
def test_an_answer_that_is_no_table(service: Service, body: bytes) -> None:
    service.body = lambda table: body
    with pytest.raises(DataError, match="came (otherwise than expected|without rows)"):
        load_dataset("toi")


def test_offline_names_the_sample(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MEDILYTICA_HOME", str(tmp_path))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr(archive, "ADDRESS", f"http://127.0.0.1:{port}/TAP/sync")
    with pytest.raises(DataError, match=r"NASA's TESS table 'toi' cannot be read: .*load_dataset\('kepler'\)"):
        load_dataset("tess")
    monkeypatch.setattr(archive, "ADDRESS", "http://no-such-host.invalid/TAP/sync")
    with pytest.raises(DataError, match=r"Check the address and the network"):
        load_dataset("tess")


def test_a_damaged_copy_is_fetched_again(service: Service, tmp_path: Path) -> None:
    load_dataset("toi")
    (copy,) = (tmp_path / "home" / "archive").iterdir()
    copy.write_bytes(b"half a ta")
    assert len(load_dataset("toi")) == 60 and len(service.queries) == 2


def test_progress_is_told(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    body = csv_of("cumulative", 20_000)
    service.body = lambda table: body
    told: list[tuple[int, int | None]] = []
    load_dataset("cumulative", progress=lambda got, whole: told.append((got, whole)))
    assert told[-1] == (len(body), len(body)) and len(told) > 2
    assert [got for got, _ in told] == sorted(got for got, _ in told)
    service.mode = "chunked"
    load_dataset("cumulative", refresh=True, progress=lambda got, whole: told.append((got, whole)))
    assert told[-1] == (len(body), None)
    load_dataset("cumulative", refresh=True, progress=False)
    assert capsys.readouterr() == ("", "")


def test_a_slow_answer_shows_a_bar(
    service: Service, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medilytica_widgets.data.download.BAR_AFTER", 0.0)
    load_dataset("toi")
    assert "NASA's TESS table 'toi'" in capsys.readouterr().err


def test_copies_lie_in_the_packages_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for given in (str(tmp_path / "here"), "", "~/there"):
        monkeypatch.setenv("MEDILYTICA_HOME", given)
        assert archive.copies() == home_path() / "archive"


def test_a_home_that_cannot_be_written_is_said(
    service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MEDILYTICA_HOME", str(tmp_path / "file"))
    data = load_dataset("toi")
    assert len(data) == 60 and any("No copy of it could be kept" in note for note in data.notes)
