"""A look at what another copy of a document sent, before it is merged.

yrs and pycrdt decode nested values by recursion, and a stack that overflows there ends the process. This reads the
structure of an update (version 1 of Yjs' encoding) without building anything, and refuses what nests too deep.
"""

from __future__ import annotations

from bisect import bisect_right

from ..errors import WorkspaceError

MAX_NESTING = 100
"""How deep a value, or shared types inside each other, may nest in one update; this package stays below 64."""


def check_update(update: bytes) -> None:
    """Make sure that an update can be decoded without exhausting the stack.

    Raises
    ------
    WorkspaceError
        For one that nests too deep, is cut off, or holds what no workspace and no chat holds.
    """
    # every level costs one of these bytes: most updates have too few of them to be looked at further
    if sum(map(update.count, (b"u", b"v"))) <= MAX_NESTING and update.count(b"\x27") <= MAX_NESTING:
        return
    try:
        _Reader(update).update()
    except IndexError:
        raise WorkspaceError("An update of the workspace is cut off; it was not merged.") from None


class _Reader:
    """A cursor over an update's bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        # of every client the first clocks of its structs, and how deep each one's parent is
        self.clocks: dict[int, list[int]] = {}
        self.depths: dict[int, list[int]] = {}

    def update(self) -> None:
        for _ in range(self.number()):
            structs, client, clock = self.number(), self.number(), self.number()
            clocks, depths = self.clocks.setdefault(client, []), self.depths.setdefault(client, [])
            for _ in range(structs):
                length, depth = self.struct()
                clocks.append(clock)
                depths.append(depth)
                clock += length
                if depth > MAX_NESTING:
                    raise _too_deep()

    def struct(self) -> tuple[int, int]:
        info = self.byte()
        kind = info & 31
        if kind in (0, 10):
            return self.number(), 0
        depth = 0
        if info & 0x80:
            depth = self.depth_of(self.number(), self.number())
        if info & 0x40:
            depth = max(depth, self.depth_of(self.number(), self.number()))
        if not info & 0xC0:
            if self.number() == 1:
                self.skip(self.number())
            else:
                depth = 1 + self.depth_of(self.number(), self.number())
            if info & 0x20:
                self.skip(self.number())
        return self.content(kind), depth

    def depth_of(self, client: int, clock: int) -> int:
        clocks = self.clocks.get(client, [])
        found = bisect_right(clocks, clock) - 1
        return self.depths[client][found] if found >= 0 else 0

    def content(self, kind: int) -> int:
        if kind == 1:
            return self.number()
        if kind == 2:
            count = self.number()
            for _ in range(count):
                self.skip(self.number())
            return count
        if kind in (3, 5):
            self.skip(self.number())
        elif kind == 4:
            return self.text_length()
        elif kind == 6:
            self.skip(self.number())
            self.skip(self.number())
        elif kind == 7:
            if self.number() in (3, 5):
                self.skip(self.number())
        elif kind == 8:
            count = self.number()
            self.values(count)
            return count
        elif kind == 9:
            self.skip(self.number())
            self.values(1)
        else:
            raise WorkspaceError("An update holds what no workspace holds; it was not merged.")
        return 1

    def values(self, count: int) -> None:
        """Step over values; how many are left at each level is kept here and not on the stack."""
        left = [(count, False)]
        while left:
            rest, keyed = left[-1]
            if not rest:
                left.pop()
                continue
            left[-1] = (rest - 1, keyed)
            if keyed:
                self.skip(self.number())
            tag = self.byte()
            if tag in (117, 118):
                left.append((self.number(), tag == 118))
                if len(left) > MAX_NESTING:
                    raise _too_deep()
            elif tag in (116, 119):
                self.skip(self.number())
            elif tag == 125:
                self.number()
            else:
                self.skip({124: 4, 123: 8, 122: 8}.get(tag, 0))

    def text_length(self) -> int:
        start = self.number()
        self.skip(start)
        text = self.data[self.at - start : self.at]
        # Yjs counts UTF-16 units
        return len(text.decode("utf-8", "replace").encode("utf-16-le")) // 2

    def byte(self) -> int:
        value = self.data[self.at]
        self.at += 1
        return value

    def number(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128 or shift > 70:
                return value

    def skip(self, count: int) -> None:
        self.at += count
        if self.at > len(self.data):
            raise IndexError


def _too_deep() -> WorkspaceError:
    return WorkspaceError("An update of the workspace nests deeper than can be read; it was not merged.")
