"""What every test of the command line has: an origin, and a user's machine for each backend."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.amber import AmberSnapshotExtension
from syrupy.location import PyTestLocation
from syrupy.types import SnapshotIndex

from tests.support.cli import BACKENDS, Desk
from tests.support.world import World, a_world

_BACKEND = re.compile(rf"\[(?:{'|'.join(BACKENDS)})-?")


class OneForBoth(AmberSnapshotExtension):
    """One snapshot for both backends: they give the same, or a test fails (promise 8)."""

    @classmethod
    def get_snapshot_name(cls, *, test_location: PyTestLocation, index: SnapshotIndex = 0) -> str:
        name = super().get_snapshot_name(test_location=test_location, index=index)
        return _BACKEND.sub("[", name).replace("[]", "")


@pytest.fixture
def told(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """What commands said, the same for both backends."""
    return snapshot.use_extension(OneForBoth)


@pytest.fixture
def world() -> Iterator[World]:
    """An origin of the test's own."""
    with a_world() as one:
        yield one


@pytest.fixture
def desk(world: World, tmp_path: Path) -> Desk:
    """A machine with the backend that dlm takes by itself."""
    return world.desk(tmp_path / "desk")


@pytest.fixture(params=BACKENDS)
def either(request: pytest.FixtureRequest, world: World, tmp_path: Path) -> Desk:
    """A machine with each backend in turn."""
    return world.desk(tmp_path / "desk", request.param)
