"""Fetching a file from an address: with a limit of size and time, a progress bar, and a clear end when it breaks."""

from __future__ import annotations

import contextlib
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

from ..errors import DataError, MissingFileError
from .wish import Progress

#: The largest answer read from an address, in bytes.
URL_LIMIT = 1 << 30
#: How long a server may be silent, and how long the whole answer may take, in seconds.
URL_SECONDS = 60.0
WHOLE_SECONDS = 1800.0
#: A bar is shown for what takes longer, in seconds.
BAR_AFTER = 1.0
_STEP = 1 << 16


def fetch(url: str, shown: str, progress: Progress = None) -> bytes:
    """Return what an address holds.

    Parameters
    ----------
    url : str
    shown : str
        What messages call it.
    progress : callable, False, or None
        Called with the bytes that came and the bytes to come; None shows a bar after a second.

    Raises
    ------
    MissingFileError
        The server answered with an error.
    DataError
        No answer, too slow, cut off, or too large.
    """
    request = urllib.request.Request(url, headers={"User-Agent": "medilytica-widgets"})
    end = time.monotonic() + WHOLE_SECONDS
    parts: list[bytes] = []
    got = 0
    try:
        with urllib.request.urlopen(request, timeout=URL_SECONDS) as answer, _told(progress, shown) as tell:
            length = answer.headers.get("Content-Length")
            whole = int(length) if length is not None and length.isdigit() else None
            if whole is not None and whole > URL_LIMIT:
                raise _too_large(shown)
            while piece := answer.read1(_STEP):
                got += len(piece)
                if got > URL_LIMIT:
                    raise _too_large(shown)
                if time.monotonic() > end:
                    raise DataError(
                        f"{shown} is too slow: {got / 1e6:,.1f} MB came in {WHOLE_SECONDS / 60:,.0f} minutes. Try "
                        "again later, or download it by other means and give the path."
                    )
                parts.append(piece)
                tell(got, whole)
    except urllib.error.HTTPError as error:
        error.close()
        raise MissingFileError(f"{shown} cannot be read: the server answered {error.code} {error.reason}.") from None
    except TimeoutError:
        raise DataError(
            f"{shown} cannot be read: the server was silent for {URL_SECONDS:g} seconds. Try again later."
        ) from None
    except http.client.HTTPException:
        raise _cut(shown, got) from None
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            reason = f"the server was silent for {URL_SECONDS:g} seconds"
        raise DataError(f"{shown} cannot be read: {reason}. Check the address and the network.") from None
    if whole is not None and got < whole:
        raise _cut(shown, got, whole)
    return b"".join(parts)


def _cut(shown: str, got: int, whole: int | None = None) -> DataError:
    of = "" if whole is None else f" of {whole / 1e6:,.1f} MB"
    return DataError(f"{shown} was cut off after {got / 1e6:,.1f} MB{of}. Nothing was kept; try again.")


def _too_large(shown: str) -> DataError:
    return DataError(f"{shown} is larger than {URL_LIMIT / 1e9:,.1f} GB. Download it and give the path.")


@contextlib.contextmanager
def _told(progress: Progress, shown: str) -> Iterator[Callable[[int, int | None], None]]:
    if progress is False:
        yield lambda got, whole: None
    elif progress is not None:
        yield progress
    else:
        from tqdm.auto import tqdm

        # quick answers show no bar
        with tqdm(desc=shown[:40], unit="B", unit_scale=True, delay=BAR_AFTER, leave=False) as bar:

            def tell(got: int, whole: int | None) -> None:
                if whole is not None and bar.total != whole:
                    bar.total = whole
                bar.update(got - bar.n)

            yield tell
