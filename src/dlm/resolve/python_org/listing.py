"""Index pages -> ``Listing``: what a folder holds, read from the links of its page and nothing else.

Read are nginx's autoindex pages (python.org itself), Apache's, and the JSON lists of cnpm mirrors
(``[{"name": …, "type": "dir", …}]``). A page is somebody else's text: a link counts only where it leads to exactly one
segment below the page's own folder on the same origin, without a query, and to a name that every platform can hold.
``<base>`` is not obeyed, the text of a link is never looked at (nginx cuts it), and a page's size and the number of its
entries are bounded.
"""

from __future__ import annotations

import calendar
import html
import json
import re
from collections.abc import Iterator
from typing import Literal
from urllib.parse import unquote_to_bytes

from dlm.model.frozen import dataclass
from dlm.model.paths import check_filename
from dlm.model.url import Url

__all__ = ["MOST_CHARACTERS", "MOST_ENTRIES", "Entry", "Listing", "parse_listing"]

#: Links, or rows of a list. The root has about 300 and 30,000 characters, the fullest release about 600 and 100,000.
MOST_ENTRIES = 10_000
MOST_CHARACTERS = 4 * 1024 * 1024

_LONGEST_TAG = 4096


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or folder of a listing.

    Attributes:
        name: unescaped, one segment, without a final slash.
        is_directory: whether the link ended in a slash, or the list said so.
        modified: minutes since the epoch in UTC, as exact as listings are; None where the page does not tell.
        size: in bytes; None for folders and where the page rounds it (``25M``).
    """

    name: str
    is_directory: bool
    modified: int | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """What a page lists, in its order, each name once.

    Attributes:
        complete: False where the bounds cut it off.
        is_index: whether it is an index page even if it lists nothing: it leads to the folder above, or is a list.
    """

    entries: tuple[Entry, ...]
    complete: bool = True
    is_index: bool = False


def parse_listing(text: str, url: Url) -> Listing:
    """Read the index page that ``url`` (the address that answered) gave; what cannot be read counts as nothing."""
    complete = len(text) <= MOST_CHARACTERS
    text = text[:MOST_CHARACTERS]
    rows = _json_entries(text) if text.lstrip("\ufeff \t\r\n").startswith("[") else _html_entries(text, url)
    entries: dict[str, Entry] = {}
    is_index = False
    for count, entry in enumerate(rows):
        if count >= MOST_ENTRIES:  # counted with those that do not count, or they would cost time without bound
            return Listing(tuple(entries.values()), complete=False, is_index=is_index)
        if isinstance(entry, Entry):
            entries.setdefault(entry.name, entry)
        elif entry == _ABOVE:
            is_index = True
    return Listing(tuple(entries.values()), complete, is_index)


#: What a link to the folder above, or a list as such, is among rows.
_ABOVE: Literal["above"] = "above"
_Row = Entry | Literal["above"] | None


def _html_entries(text: str, url: Url) -> Iterator[_Row]:
    folder = url.path[: url.path.rindex("/") + 1]
    above = {"..", "../", folder[: folder.rstrip("/").rfind("/") + 1]}
    for href, rest in _anchors(text):
        if href in above:
            yield _ABOVE
            continue
        below = _below(href, url, folder)
        if below is None:
            yield None
            continue
        name, is_directory = below
        modified, end = _date(rest)
        yield Entry(name, is_directory, modified, None if is_directory else _size(rest[end:]))


def _below(href: str, url: Url, folder: str) -> tuple[str, bool] | None:
    """The name that a link means in ``folder``, and whether it is a folder's; None for a link to anywhere else."""
    if _PLAIN_LINK.fullmatch(href):  # almost every link is: a name that means itself
        plain = _name(href.removesuffix("/"))
        return None if plain is None else (plain, href.endswith("/"))
    try:
        target = url.resolve(html.unescape(href))
    except ValueError:
        return None
    if target.origin != url.origin or target.query is not None or not target.path.startswith(folder):
        return None
    segment = target.path[len(folder) :]
    is_directory = segment.endswith("/")
    name = _name(segment[:-1] if is_directory else segment)
    return None if name is None else (name, is_directory)


#: Letters that neither HTML nor a URL reads as anything else; a colon or a leading dot needs the rules.
_PLAIN_LINK = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*/?")


def _name(segment: str) -> str | None:
    if not segment or "/" in segment:
        return None
    try:
        # What is unescaped here is checked here: %2F and %5C are slashes by now, %1B a control character.
        return check_filename(unquote_to_bytes(segment).decode())
    except ValueError:
        return None


# What stands in these is text, whatever it looks like.
_OPAQUE = frozenset({"script", "style", "textarea", "title", "template", "noscript", "iframe", "xmp"})
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)((?:[^<>\"']|\"[^\"]*\"|'[^']*')*)>")
_HREF = re.compile(r"(?:^|\s)href\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))", re.IGNORECASE)


def _anchors(text: str) -> Iterator[tuple[str, str]]:
    """Each link's ``href`` and the plain text that stands behind the link, up to the next one.

    One pass, in which no part of the text is looked at more than a fixed number of times: a page made to be slow to
    read is not. A tag that does not end within reason ends the reading.
    """
    href: str | None = None
    behind: list[str] = []
    inside = False
    position = 0
    while (start := text.find("<", position)) >= 0:
        if not inside:
            behind.append(text[position:start])
        if text.startswith("<!--", start):
            end = text.find("-->", start + 4)
            if end < 0:
                break
            position = end + 3
            continue
        match = _TAG.match(text, start, start + _LONGEST_TAG)
        if match is None:
            if not text[start + 1 : start + 2].isalpha():
                behind.append("<")
                position = start + 1
                continue
            break
        position = match.end()
        name = match[2].lower()
        if name == "a" and not match[1]:
            if href is not None:
                yield href, "".join(behind)
            reference = _HREF.search(match[3])
            href = next((group for group in reference.groups() if group is not None), None) if reference else None
            behind, inside = [], True
        elif name == "a":
            inside = False
        elif name in _OPAQUE and not match[1]:
            closing = re.compile(rf"</{name}\s*>", re.IGNORECASE).search(text, position)
            if closing is None:
                break
            position = closing.end()
        elif not inside:
            behind.append(" ")
    else:
        behind.append(text[position:])
    if href is not None:
        yield href, "".join(behind)


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NGINX_DATE = re.compile(r"([0-9]{2})-([A-Z][a-z]{2})-([0-9]{4}) ([0-9]{2}):([0-9]{2})")
_ISO_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})[ T]([0-9]{2}):([0-9]{2})")


def _date(text: str) -> tuple[int | None, int]:
    """The first date of a row in minutes since the epoch, and where the rest of the row begins."""
    text = text[:_LONGEST_TAG]
    match = _NGINX_DATE.search(text)
    if match is not None and match[2] in _MONTHS:
        day, month, year = int(match[1]), _MONTHS.index(match[2]) + 1, int(match[3])
    else:
        match = _ISO_DATE.search(text)
        if match is None:
            return None, 0
        year, month, day = int(match[1]), int(match[2]), int(match[3])
    hour, minute = int(match[4]), int(match[5])
    if not (year >= 1970 and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]):
        return None, match.end()
    if hour > 23 or minute > 59:
        return None, match.end()
    return calendar.timegm((year, month, day, hour, minute, 0)) // 60, match.end()


def _size(text: str) -> int | None:
    match = re.match(r"\s*([0-9]{1,15})(?=\s|$)", text)
    return None if match is None else int(match[1])


def _json_entries(text: str) -> Iterator[_Row]:
    try:
        rows = json.loads(text.lstrip("\ufeff"))
    except (ValueError, RecursionError):
        return
    yield _ABOVE
    # The name alone counts: the url beside it leads to another host, and the listing's own address serves the file too.
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, dict) or not isinstance(row.get("name"), str):
            yield None
            continue
        is_directory = row.get("type") == "dir" or row["name"].endswith("/")
        name = _plain_name(row["name"].removesuffix("/"))
        if name is None:
            yield None
            continue
        told = next((row[key] for key in ("modified", "date") if isinstance(row.get(key), str)), "")
        size = row.get("size")
        exact = size if type(size) is int and 0 <= size < 10**15 and not is_directory else None
        yield Entry(name, is_directory, _date(told)[0], exact)


def _plain_name(text: str) -> str | None:
    try:
        return check_filename(text)
    except ValueError:
        return None
