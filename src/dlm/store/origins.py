"""What an origin answered for one address: a small file of its own for each, so that no damage to the index loses it.

The file is a note (``dlm.store.notes``) that holds JSON. It is named by the sha256 of the key, and holds no address but
a final one without a query.
"""

from __future__ import annotations

import json

from dlm.model.artifact import Validators
from dlm.model.digest import Digests
from dlm.model.transfer import Known
from dlm.store.notes import read_note, write_note

__all__ = ["read_origin", "write_origin"]


def read_origin(path: str) -> tuple[Known, str] | None:
    """What was recorded, and the name of the artifact; None where nothing is there that adds up."""
    note = read_note(path)
    if note is None:
        return None
    try:
        found = json.loads(note[0])
        texts = (found["etag"], found["last-modified"], found["final-url"])
        headers, size, serial, name = found["headers"], found["size"], found["serial"], found["name"]
        if not all(text is None or isinstance(text, str) for text in texts) or not isinstance(name, str):
            return None
        if type(size) is not int or type(serial) is not int or not isinstance(headers, dict):
            return None
        known = Known(
            digests=Digests.from_mapping(found["digests"]),
            size=size,
            validators=Validators(*texts[:2]),
            headers={str(header): str(value) for header, value in headers.items()},
            final_url=texts[2],
            serial=serial,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return known, name


def write_origin(path: str, known: Known, name: str, now: float, temporary: str, *, mode: int | None) -> None:
    """Record an answer with a new serial, which is greater than that of any answer before. Raises OSError.

    Args:
        now: seconds since the epoch.
        temporary, mode: as for :func:`dlm.store.notes.write_note`.
    """
    before = read_origin(path)
    # Behind the clock's microseconds as well, so that a file that was lost does not bring a number back.
    serial = max(int(now * 1_000_000), before[0].serial + 1 if before is not None else 0)
    text = json.dumps(
        {
            "digests": known.digests.as_mapping(),
            "size": known.size,
            "etag": known.validators.etag,
            "last-modified": known.validators.last_modified,
            "headers": dict(known.headers),
            "final-url": known.final_url,
            "serial": serial,
            "name": name,
        }
    )
    write_note(path, text, now, temporary, mode)
