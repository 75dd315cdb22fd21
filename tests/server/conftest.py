"""One server for all attacks: starting one costs seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server import attackers


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[attackers.Shared]:
    server = attackers.start(tmp_path_factory.mktemp("shared"))
    yield server
    server.stop()
