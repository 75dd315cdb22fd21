"""Run a notebook without a browser and write the report."""

from __future__ import annotations

import contextlib
import html
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from .. import errors
from ..errors import InputError, MedilyticaError, MissingFileError
from ..headless import check_notebook, declared_parameters
from ..headless.mode import VARIABLE
from .export import ERROR_MARKER_TAG, notebook_html, remote_references

_ALERT = "border-left:4px solid #c62828;padding:4px 12px;font-size:15px"


@dataclass(frozen=True)
class Report:
    """What became of a notebook.

    Attributes
    ----------
    html : Path
        The report; after an error it holds what ran until then.
    executed : Path or None
        The notebook with its outputs, where it was asked for.
    error : str
        The sentence of the cell that failed; "" when all went well.
    remote : tuple of str
        Network addresses that the notebook's own text or outputs make a browser fetch; the report is not
        complete offline without them.
    """

    html: Path
    executed: Path | None = None
    error: str = ""
    remote: tuple[str, ...] = field(default=())


def make_report(
    source: str | Path,
    target: str | Path,
    parameters: Mapping[str, Any] | None = None,
    *,
    executed: str | Path | None = None,
    kernel: str | None = None,
    show_input: bool = True,
    progress: bool = True,
) -> Report:
    """Run a notebook with papermill, headless, and write it as one HTML file.

    Cells run in the notebook's own folder. A cell that fails ends the run; the report is still written.

    Parameters
    ----------
    source : path
        The notebook; it is not changed.
    target : path
        The HTML file. Its folder is made when it does not exist.
    parameters : mapping of str to object, optional
        Put in after the cell tagged ``parameters``.
    executed : path, optional
        Where to keep the executed notebook.
    kernel : str, optional
        Name of the kernel; the notebook's own when not given.
    show_input : bool
        Whether the report shows the code.
    progress : bool
        Whether progress is shown on stderr.

    Returns
    -------
    Report

    Raises
    ------
    MissingFileError
        There is no such notebook.
    InputError
        The file is no notebook, the kernel does not exist, or ``executed`` is the notebook itself.
    UnknownParameterError, ParameterError
        A parameter is wrong; no cell has run.
    """
    path, page = Path(source), Path(target)
    given = dict(parameters or {})
    notebook = read_notebook(path)
    check_notebook(given, _declared(notebook))
    kept = Path(executed) if executed is not None else None
    for out in (page, *([kept] if kept is not None else [])):
        if out.resolve() == path.resolve():
            raise InputError(f"{out} is the notebook itself; give another place to write to.")
        out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="medilytica-report-") as folder:
        ran = Path(folder) / "executed.ipynb"
        error = _execute(path, ran, given, kernel, show_input, progress)
        done = read_notebook(ran) if ran.exists() else notebook
        if error:
            _tell(done, error)
        text = notebook_html(done, fallback_title=path.stem, show_input=show_input)
        _write(page, text)
        if kept is not None:
            _write(kept, nbformat.writes(done))  # type: ignore[no-untyped-call]
    return Report(page, kept, error, tuple(remote_references(text)))


def read_notebook(path: Path) -> NotebookNode:
    """Return a notebook in the newest format.

    Raises
    ------
    MissingFileError
    InputError
        The file is no notebook.
    """
    try:
        notebook: NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    except FileNotFoundError:
        raise MissingFileError(f"There is no notebook {str(path)!r}.") from None
    except (nbformat.ValidationError, AttributeError, KeyError, TypeError, ValueError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise InputError(f"{str(path)!r} is not a notebook: {reason}") from None
    return notebook


def _declared(notebook: NotebookNode) -> dict[str, Any] | None:
    for cell in notebook.cells:
        if cell.cell_type == "code" and "parameters" in cell.metadata.get("tags", []):
            return declared_parameters(cell.source)
    return None


@contextlib.contextmanager
def _headless() -> Iterator[None]:
    """Let kernels started inside know that nobody looks: a kernel inherits the environment."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def _execute(
    path: Path, ran: Path, given: Mapping[str, Any], kernel: str | None, show_input: bool, progress: bool
) -> str:
    """Run the notebook and return the sentence of what failed, or ""."""
    import papermill
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    try:
        with _headless():
            papermill.execute_notebook(
                str(path.resolve()).replace("{", "{{").replace("}", "}}"),  # papermill takes a path as a template
                str(ran),
                parameters=given or None,
                kernel_name=kernel,
                progress_bar=progress,
                report_mode=not show_input,
                cwd=str(path.resolve().parent),
            )
    except PapermillExecutionError as error:
        first = next((line for line in error.source.splitlines() if line.strip()), "").strip()
        return (
            f"The notebook stopped in cell [{error.exec_count}] ({first[:80]}): {_sentence(error.ename, error.evalue)}"
        )
    except DeadKernelError:
        return (
            "The notebook's kernel died while a cell ran. Often that is too little memory: try fewer rows or a smaller "
            "model, or a machine with more."
        )
    except (NoSuchKernel, ValueError) as error:
        if isinstance(error, ValueError) and "kernel" not in str(error):
            raise
        raise InputError(
            f"The notebook's kernel cannot be started: {error}. Install it, or name another one with --kernel."
        ) from None
    return ""


def _tell(notebook: NotebookNode, error: str) -> None:
    """Put the sentence where papermill only says that there was an exception."""
    words = html.escape(error)
    for cell in notebook.cells:
        if ERROR_MARKER_TAG in cell.metadata.get("tags", []):
            if "papermill-error-cell" in cell.source and "href" in cell.source:
                words += ' <a href="#papermill-error-cell">Show the cell</a>'
                cell.source = f'<p role="alert" style="{_ALERT}">{words}</p>'
            else:
                cell.source = '<span id="papermill-error-cell">The next cell failed.</span>'


def _sentence(name: str, value: str) -> str:
    """Return an error's words: ours speak for themselves, others need their name."""
    kind = getattr(errors, name, None)
    ours = isinstance(kind, type) and issubclass(kind, MedilyticaError)
    return value if ours and value else f"{name}: {value}" if value else name


def _write(path: Path, text: str) -> None:
    """Write a file in one step, so that a reader never finds half of it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
