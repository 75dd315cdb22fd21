"""The sharing book: who may do what on one server, in a private file that outlives it.

One book belongs to one root folder, so that a server started again there finds its people again. It lies in the
Jupyter data folder, readable by nobody but the account that runs the server; whoever can run code as that account
can change it, which is why an editor is told to be trusted.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..errors import StateError

VERSION = 1
LOCK_SECONDS = 10.0
LARGEST_BYTES = 16 * 1024 * 1024

_FIELDS: dict[str, type] = {
    "version": int,
    "root": str,
    "enabled": bool,
    "viewers_chat": bool,
    "secret": str,
    "people": dict,
    "removed": dict,
    "invitations": dict,
}

_INVITATION: dict[str, type | tuple[type, ...]] = {
    "hash": str,
    "role": str,
    "expires": (int, float),
    "uses": int,
    "people": list,
    "revoked": bool,
    "by": str,
    "by_name": str,
    "created": str,
    "path": str,
    "label": str,
}

ROLES = frozenset({"owner", "editor", "viewer"})

Signature = tuple[int, int, int, int] | None


class BookError(StateError):
    """The sharing book cannot be read or is damaged; everybody is refused until it is mended."""


def data_folder() -> Path:
    """Return the folder that the books of all servers of this account lie in."""
    from jupyter_core.paths import jupyter_data_dir

    return Path(jupyter_data_dir()) / "medilytica" / "sharing"


def book_path(root_dir: str | os.PathLike[str], folder: Path | None = None) -> Path:
    """Return where the book of the server of this root folder lies."""
    real = os.path.realpath(os.path.expanduser(root_dir))
    name = hashlib.sha256(os.fsencode(real)).hexdigest()[:32]
    return (folder or data_folder()) / f"{name}.json"


def empty(root_dir: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the book of a server where sharing was never on."""
    return {
        "version": VERSION,
        "root": os.path.realpath(os.path.expanduser(root_dir)),
        "enabled": False,
        "viewers_chat": False,
        "secret": secrets.token_hex(32),
        "people": {},
        "removed": {},
        "invitations": {},
    }


class BookFile:
    """The file, read anew whenever it changed and written whole or not at all.

    Any number of threads and processes may use one book: a change is read, applied and written under a lock.

    Parameters
    ----------
    root_dir : path
        The server's root folder.
    path : Path, optional
        Another place than the one in the Jupyter data folder.
    """

    def __init__(self, root_dir: str | os.PathLike[str], path: Path | None = None) -> None:
        self.root_dir = root_dir
        self.path = path or book_path(root_dir)
        self._mutex = threading.RLock()
        self._signature: Signature | str = "unread"
        self._content: dict[str, Any] | None = None
        self._error: BookError | None = None
        self._was_there = False

    def signature(self) -> Signature | str:
        """Return something that changes with the file, without reading it."""
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return None
        except OSError as error:
            return f"unreadable: {error.strerror}"
        return found.st_mtime_ns, found.st_ino, found.st_size, found.st_mode

    def read(self) -> dict[str, Any]:
        """Return the book; whoever gets it must not change it.

        Raises
        ------
        BookError
            If the file is damaged, cannot be read, may be written by others, or went away while in use.
        """
        with self._mutex:
            signature = self.signature()
            if signature != self._signature:
                self._signature, self._error = signature, None
                try:
                    self._content = self._load(signature)
                except BookError as error:
                    self._error, self._content = error, None
            if self._error is not None:
                raise BookError(self._error.message)
            assert self._content is not None
            return self._content

    def change(self, edit: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Apply ``edit`` to a copy of the book and write it, as one step for all threads and processes.

        Parameters
        ----------
        edit : callable
            Changes the dict it is given; if it raises, nothing is written.

        Returns
        -------
        dict
            The book as it is now on the disk.
        """
        with self._mutex, self._locked():
            self._signature = "unread"
            fresh: dict[str, Any] = json.loads(json.dumps(self.read()))
            edit(fresh)
            content = json.dumps(checked(fresh), indent=2, ensure_ascii=False) + "\n"
            try:
                write_private(self.path, content.encode("utf-8"))
            except OSError as error:
                raise BookError(
                    f"The sharing book {self.path} could not be written ({error.strerror}); nothing was changed. "
                    "Free space or mend the folder's rights, then try again."
                ) from error
            return self.read()

    def _load(self, signature: Signature | str) -> dict[str, Any]:
        if signature is None:
            if self._was_there:
                raise BookError(f"The sharing book {self.path} went away while the server was running. {_MEND}")
            return empty(self.root_dir)
        self._was_there = True
        if isinstance(signature, str):
            raise BookError(f"The sharing book {self.path} cannot be reached ({signature}). {_MEND}")
        try:
            with open(self.path, "rb") as file:
                found = os.fstat(file.fileno())
                if os.name == "posix" and stat.S_IMODE(found.st_mode) & 0o022:
                    raise BookError(
                        f"Others than its owner may write the sharing book {self.path}. Look whether it is still "
                        "right, then take that right away with chmod 600."
                    )
                raw = file.read(LARGEST_BYTES + 1)
            if len(raw) > LARGEST_BYTES:
                raise ValueError("it is too large")
            return checked(json.loads(raw))
        except (OSError, ValueError, RecursionError) as error:
            raise BookError(f"The sharing book {self.path} cannot be read ({error}). {_MEND}") from error

    def reset(self) -> Path | None:
        """Put a damaged book aside and begin an empty one, with sharing off; return where the old one is now."""
        with self._mutex, self._locked():
            aside: Path | None = self.path.with_suffix(".broken")
            try:
                os.replace(self.path, self.path.with_suffix(".broken"))
            except FileNotFoundError:
                aside = None
            write_private(self.path, json.dumps(empty(self.root_dir), indent=2).encode("utf-8"))
            self._signature = "unread"
            return aside

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = FileLock(f"{self.path}.lock", timeout=LOCK_SECONDS, mode=0o600)
            lock.acquire()
        except Timeout as error:
            raise StateError(
                "Another process holds the sharing book for long; nothing was changed. Try again in a moment."
            ) from error
        except OSError as error:
            raise BookError(
                f"The sharing book {self.path} cannot be locked ({error.strerror}); nothing was changed."
            ) from error
        try:
            yield
        finally:
            lock.release()


_MEND = "Everybody is refused until it is mended: `python -m medilytica_widgets.server sharing status` says more."


def checked(plain: Any) -> dict[str, Any]:
    """Return the book if it is one, completely; raise `ValueError` otherwise.

    What is not known is refused rather than overlooked: a book of a newer version may mean something else by it.
    """
    if not isinstance(plain, dict):
        raise ValueError("it is no JSON object")
    if plain.get("version") != VERSION:
        raise ValueError(f"its version is {plain.get('version')!r} and this release reads {VERSION}")
    if set(plain) != set(_FIELDS):
        raise ValueError(f"these fields are missing or unknown: {sorted(set(plain) ^ set(_FIELDS))}")
    for name, kind in _FIELDS.items():
        if type(plain[name]) is not kind:
            raise ValueError(f"its field {name!r} is no {kind.__name__}")
    for part in ("people", "removed", "invitations"):
        if not all(isinstance(entry, dict) for entry in plain[part].values()):
            raise ValueError(f"an entry of {part!r} is no JSON object")
    for name, person in plain["people"].items():
        if person.get("role") not in ROLES or not isinstance(person.get("name"), str):
            raise ValueError(f"{name!r} has the role {person.get('role')!r}, which does not exist, or no name")
    for name, invitation in plain["invitations"].items():
        if set(invitation) != set(_INVITATION) or not all(
            isinstance(invitation[part], kind) for part, kind in _INVITATION.items()
        ):
            raise ValueError(f"the invitation {name!r} is not complete")
        if invitation["role"] not in ROLES:
            raise ValueError(f"the invitation {name!r} has a role that does not exist")
    if len(plain["secret"]) < 32:
        raise ValueError("its secret is too short")
    return plain


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only this account reads, whole or not at all, and wait until it is on the disk."""
    partial = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            # some network file systems cannot wait for a folder; the file itself is written by then
            with contextlib.suppress(OSError):
                os.fsync(folder)
        finally:
            os.close(folder)
