"""A network between a client and a server on this machine, which a test can cut, freeze and slow down."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable


def wait_for(condition: Callable[[], object], seconds: float = 30.0, what: str = "") -> None:
    """Wait until a condition holds, and fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"This did not come: {what or condition}")
        time.sleep(0.005)


class Proxy:
    """Carries TCP connections to a port of the loopback address, from a thread of its own."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._loop = asyncio.new_event_loop()
        self._open = True
        self._flows: set[asyncio.Task[None]] = set()
        self._running = asyncio.Event()
        self._running.set()
        self.delay = 0.0
        self.connections = 0
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        started.wait(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = int(self._server.sockets[0].getsockname()[1])
        started.set()
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._open:
            writer.close()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        self.connections += 1
        there = asyncio.ensure_future(self._carry(reader, far_writer))
        back = asyncio.ensure_future(self._carry(far_reader, writer))
        for flow in (there, back):
            self._flows.add(flow)
            flow.add_done_callback(self._flows.discard)
        await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
        for flow in (there, back):
            flow.cancel()
        for each in (writer, far_writer):
            each.close()
        self.connections -= 1

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                if self.delay:
                    await asyncio.sleep(self.delay)
                await self._running.wait()
                writer.write(data)
                await writer.drain()

    def _do(self, call: Callable[[], object]) -> None:
        done = threading.Event()

        def there() -> None:
            call()
            done.set()

        self._loop.call_soon_threadsafe(there)
        done.wait(10)

    def cut(self) -> None:
        """Break every connection, and let no new one through."""
        self._open = False
        self._do(lambda: [flow.cancel() for flow in list(self._flows)])

    def mend(self) -> None:
        """Let connections through again."""
        self._open = True

    def freeze(self) -> None:
        """Carry nothing more, and say nothing: the connections look open."""
        self._do(self._running.clear)

    def thaw(self) -> None:
        self._do(self._running.set)

    def close(self) -> None:
        if self._loop.is_running():
            self.cut()

            def end() -> None:
                self._server.close()
                # the cancelled flows close their sockets first
                self._loop.call_later(0.05, self._loop.stop)

            self._loop.call_soon_threadsafe(end)
            self._thread.join(10)
