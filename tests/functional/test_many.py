"""So many files that two processes place them."""

from __future__ import annotations

from tests.support.cli import Desk
from tests.support.placed import COUNT, body_of, name_of, wanted
from tests.support.world import World


def test_they_are_placed_and_known(world: World, desk: Desk) -> None:
    names: list[str] = []
    for number in range(COUNT):
        if body_of(number):
            world.file(f"/many/{name_of(number)}", body_of(number))
            names.append(f"    - {name_of(number)}\n")
    desk.manifest(f"version: 1\nresources:\n- name: many\n  base: {world.url}/many/\n  files:\n{''.join(names)}")
    desk.dlm("sync").ok()
    shown = {name: body for name, body in desk.tree().items() if name.startswith("data/")}
    assert shown == {name: body for name, body in wanted().items() if body}
    assert "In sync" in desk.dlm("sync").ok().err
    assert desk.dlm("verify").code == 0
