"""What people register of their own: who may take whose place, and its source for scripts without this package."""

from __future__ import annotations

import ast
import builtins
import inspect
import json
import keyword
import linecache
import re
import symtable
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType, FunctionType, ModuleType
from typing import Any, Literal, get_args

from psygnal import SignalInstance

from .errors import InputError, SpecError, hint
from .parameters import ParameterTable

Kind = Literal["algorithm", "layer", "activation", "loss", "optimizer", "dataset"]
KINDS: tuple[str, ...] = get_args(Kind)

LONGEST_ID, LONGEST_NAME, LONGEST_HELP = 60, 120, 2000

changed = SignalInstance((str, str))
"""Emits kind and id when something was registered or taken out, on the thread that did it."""

_PACKAGE = __name__.partition(".")[0]
_RESERVED = frozenset(
    "X_test X_train X_validation Network classes columns frame model np numbers pd predicted predict preprocess "
    "probabilities rest rows test torch train validation y y_test y_train y_validation nn functional inputs targets "
    "optimizer order epoch epochs loss loss_function row_losses fit clipped categories flags words dates "
    "build_network NetworkClassifier NetworkRegressor NDArray".split()
)
"""Names that printed scripts use themselves."""


@dataclass(frozen=True, eq=False)
class Entry:
    """One registered function or class.

    Parameters
    ----------
    kind, id, name, help : str
    object : callable
        The function or class, as it was given.
    parameters : ParameterTable
        Its own arguments.
    text : str
        Its source as it was when it was registered, dedented; empty where it cannot be read.
    facts : mapping
        What else the kind needs to know.
    """

    kind: str
    id: str
    name: str
    help: str
    object: Any
    parameters: ParameterTable = field(default_factory=lambda: ParameterTable(()))
    text: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def called(self) -> str:
        """The function's or class's own name."""
        return str(getattr(self.object, "__name__", "") or type(self.object).__name__)

    @property
    def module(self) -> str:
        """The module that registers it."""
        return str(getattr(self.object, "__module__", "") or "")

    @property
    def importable(self) -> bool:
        """Whether another process can import the module."""
        return bool(self.module) and self.module != "__main__" and self.module in sys.modules

    @property
    def place(self) -> tuple[str, str]:
        """Module and qualified name: a cell that runs twice registers the same place twice."""
        return self.module, str(getattr(self.object, "__qualname__", self.called))


_entries: dict[tuple[str, str], Entry] = {}
_lock = threading.RLock()


def add(entry: Entry, taken: Callable[[str], bool], install: Callable[[Entry | None], None]) -> None:
    """Register something, or put it in the place of what the same cell registered before.

    Parameters
    ----------
    entry : Entry
    taken : callable
        ``id -> bool``: whether something else has the id; not asked where an entry is replaced.
    install : callable
        Puts it where it is looked for, given the entry that it replaces; called under a lock. Where it raises, what
        was there before stays.

    Raises
    ------
    SpecError
        If another one has the id, or it or the name cannot be.
    """
    check_id(entry.kind, entry.id)
    _check(entry)
    with _lock:
        before = _entries.get((entry.kind, entry.id))
        if before is not None and before.place != entry.place:
            raise SpecError(
                f"{_article(entry.kind)} with the id {entry.id!r} is registered already, by {before.place[1]} of "
                f"{before.place[0]}. Give yours another id, or take that one out: "
                f"mw.register.remove({entry.kind!r}, {entry.id!r})."
            )
        if before is None and taken(entry.id):
            raise SpecError(f"{_article(entry.kind)} with the id {entry.id!r} is there already. Give yours another id.")
        # first, since what is installed may ask whether it is there
        _entries[entry.kind, entry.id] = entry
        try:
            install(before)
        except BaseException:
            if before is None:
                del _entries[entry.kind, entry.id]
            else:
                _entries[entry.kind, entry.id] = before
            raise
    changed.emit(entry.kind, entry.id)


def remove(kind: str, id: str, uninstall: Callable[[Entry], None]) -> Entry:
    """Take out what was registered and return it.

    Raises
    ------
    InputError
        For an unknown kind, or where nothing of the kind was registered by that id.
    """
    if kind not in KINDS:
        raise InputError(f"There is no kind {kind!r} to register. {hint(str(kind), KINDS)}")
    with _lock:
        entry = _entries.get((kind, id))
        if entry is None:
            known = [k[1] for k in _entries if k[0] == kind]
            tail = hint(str(id), known) if known else "Nothing of this kind is."
            raise InputError(f"No {kind} is registered by the id {id!r}. {tail}")
        uninstall(entry)
        del _entries[kind, id]
    changed.emit(kind, id)
    return entry


def find(kind: str, id: Any) -> Entry | None:
    """Return what was registered by that id; None where nothing was."""
    return _entries.get((kind, id)) if isinstance(id, str) else None


def entries(kind: str) -> list[Entry]:
    """Return what was registered of a kind, oldest first."""
    return [entry for entry in list(_entries.values()) if entry.kind == kind]


class Ids(Mapping[str, Entry]):
    """The ids of a kind as a mapping that is read anew at each look."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind

    def __getitem__(self, id: str) -> Entry:
        entry = find(self._kind, id)
        if entry is None:
            raise KeyError(id)
        return entry

    def __iter__(self) -> Iterator[str]:
        return iter([entry.id for entry in entries(self._kind)])

    def __len__(self) -> int:
        return len(entries(self._kind))


def _article(kind: str) -> str:
    return {"layer": "A layer kind", "dataset": "A data set"}.get(kind, f"A{'n' if kind[0] in 'ao' else ''} {kind}")


def check_id(kind: str, id: Any) -> None:
    """Raise `SpecError` for what cannot be an id."""
    if not isinstance(id, str) or not id.isidentifier() or keyword.iskeyword(id) or len(id) > LONGEST_ID:
        raise SpecError(
            f"{_article(kind)} is registered by an id of letters, digits and underscores, at most {LONGEST_ID}; "
            f"{str(id)[:80]!r} came."
        )


def _check(entry: Entry) -> None:
    for field_, most in (("name", LONGEST_NAME), ("help", LONGEST_HELP)):
        value = getattr(entry, field_)
        if not isinstance(value, str) or len(value) > most:
            raise SpecError(
                f"The {field_} of the {entry.kind} {entry.id!r} has to be text of at most {most} characters."
            )
    if entry.called in _RESERVED:
        raise SpecError(
            f"{entry.called} is a name that printed scripts use themselves; call the function or class otherwise."
        )


# -- source


def text_of(thing: Any) -> str:
    """Return the source of a function or class, dedented; empty where it cannot be read.

    To be called while it is being registered: of a class in a notebook's cell the caller says where it stands.
    """
    try:
        return textwrap.dedent(inspect.getsource(thing))
    except (OSError, TypeError, IndentationError):
        return _class_text(thing) if isinstance(thing, type) else ""


def _class_text(cls: type) -> str:
    """Return the source of a class whose module is no file, such as a notebook: inspect looks for it in files only."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and str(frame.f_globals.get("__name__", "")).partition(".")[0] == _PACKAGE:
        frame = frame.f_back
    places = [(frame.f_code.co_filename, frame.f_lineno)] if frame is not None else []
    places += [
        (method.__code__.co_filename, method.__code__.co_firstlineno)
        for method in vars(cls).values()
        if isinstance(method, FunctionType)
    ]
    for name, line in places:
        text = "".join(linecache.getlines(name))
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name == cls.__name__:
                first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                if first <= line <= (node.end_lineno or first):
                    return textwrap.dedent("".join(text.splitlines(keepends=True)[first - 1 : node.end_lineno]))
    return ""


def printed(entry: Entry) -> list[str]:
    """Return the lines that define a registered thing in a script: imports, one a line, a blank line, the definition.

    The decorator that registered it is left out; what it uses from modules is imported.

    Raises
    ------
    SpecError
        If its source cannot be read, or it uses a name that no import brings.
    """
    try:
        tree = ast.parse(entry.text)
    except SyntaxError:
        tree = ast.Module(body=[], type_ignores=[])
    node = tree.body[0] if len(tree.body) == 1 else None
    if not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        raise SpecError(
            f"The source of {entry.called} ({entry.kind} {entry.id!r}) cannot be had, so it cannot stand in a script. "
            "Write it with def or class, in a file or a notebook's cell."
        )
    names = _names(entry.object)
    # decorators of this package register it; others are part of what it does
    dropped: set[int] = {
        line
        for decorator in node.decorator_list
        if _registers(decorator, names)
        for line in range(decorator.lineno, (decorator.end_lineno or decorator.lineno) + 1)
    }
    lines = [line for number, line in enumerate(entry.text.splitlines(), 1) if number not in dropped]
    lines = _quoted(lines, entry.called)
    imports: dict[str, None] = {}
    for name in sorted(_free("\n".join(lines), entry.called)):
        if name in names:
            imports[_import(entry, name, names[name])] = None
        elif not hasattr(builtins, name):
            raise SpecError(
                f"{entry.called} ({entry.kind} {entry.id!r}) uses {name}, which nothing defines; import it first, or "
                "take it out."
            )
    while lines and not lines[-1].strip():
        lines.pop()
    return [*imports, *([""] if imports else []), *lines]


def _quoted(lines: Sequence[str], own: str) -> list[str]:
    """Return a definition whose annotations name itself as text: a script has no other way to speak of it so early."""
    found = [line.encode() for line in lines]
    places: list[tuple[int, int, int]] = []
    for node in ast.walk(ast.parse("\n".join(lines))):
        for given in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if given is None or given.lineno != given.end_lineno:
                continue
            if any(isinstance(n, ast.Name) and n.id == own for n in ast.walk(given)):
                places.append((given.lineno - 1, given.col_offset, given.end_col_offset))
    for row, start, end in sorted(places, reverse=True):
        line = found[row]
        found[row] = line[:start] + json.dumps(line[start:end].decode(), ensure_ascii=False).encode() + line[end:]
    return [line.decode() for line in found]


def hoisted(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """Divide a script's lines into its imports, one a line, and the rest."""
    imports: list[str] = []
    dropped: set[int] = set()
    for node in ast.parse("\n".join(lines)).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            imports.append(ast.unparse(node))
            dropped.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    rest = [line for number, line in enumerate("\n".join(lines).split("\n"), 1) if number not in dropped]
    return list(dict.fromkeys(imports)), rest


def _registers(decorator: ast.expr, names: Mapping[str, Any]) -> bool:
    call = decorator.func if isinstance(decorator, ast.Call) else decorator
    path = ast.unparse(call)
    if not re.fullmatch(r"\w+(\.\w+)*", path):
        return False
    first, *rest = path.split(".")
    found = names.get(first)
    for part in rest:
        found = getattr(found, part, None)
    return str(getattr(found, "__module__", "")).partition(".")[0] == _PACKAGE


def _names(thing: Any) -> dict[str, Any]:
    """Return the names that a function or class can see: its module's, and those of functions around it."""
    functions = [thing] if isinstance(thing, FunctionType) else []
    if isinstance(thing, type):
        members = [getattr(m, "__func__", m) for m in vars(thing).values()]
        functions = [m for m in (inspect.unwrap(m) for m in members if callable(m)) if isinstance(m, FunctionType)]
        functions = [m for m in functions if m.__module__ == thing.__module__]
    module = sys.modules.get(str(getattr(thing, "__module__", "")))
    found = dict(vars(module)) if module is not None else {}
    for function in functions:
        found |= function.__globals__
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                found[name] = cell.cell_contents
            except ValueError:
                continue  # not filled yet: it is the thing itself
    return found


def _free(text: str, own: str) -> set[str]:
    """Return the names that a definition takes from outside."""

    def visit(table: symtable.SymbolTable, top: bool) -> Iterator[str]:
        for symbol in table.get_symbols():
            outside = not symbol.is_assigned() if top else symbol.is_global()
            if outside and (symbol.is_referenced() or symbol.is_assigned()):
                yield symbol.get_name()
        for child in table.get_children():
            yield from visit(child, False)

    return set(visit(symtable.symtable(text, "<registered>", "exec"), True)) - {own, "__class__"}


def _import(entry: Entry, name: str, value: Any) -> str:
    """Return the line that imports a name."""
    if isinstance(value, ModuleType):
        path, attribute = value.__name__, ""
    else:
        path, attribute = str(getattr(value, "__module__", "") or ""), str(getattr(value, "__name__", ""))
        source = sys.modules.get(path)
        if source is None or not attribute or getattr(source, attribute, None) is not value or path == entry.module:
            path = ""
    if path in ("", "__main__") or path.partition(".")[0] == _PACKAGE:
        raise SpecError(
            f"{entry.called} ({entry.kind} {entry.id!r}) uses {name}, which a script cannot import. Define it inside, "
            "make it an argument with a default, or take it from an installed package."
        )
    if attribute:
        return f"from {path} import {attribute}" + (f" as {name}" if attribute != name else "")
    parent, _, last = path.rpartition(".")
    if path == name:
        return f"import {path}"
    if parent and last == name:
        return f"from {parent} import {name}"
    return f"import {path} as {name}"
