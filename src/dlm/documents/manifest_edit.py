"""A manifest's text with resources added or removed, and every other byte as it was: comments, order, line ends.

The text is read for where things stand, and cut and filled there; nothing is written out anew. What comes out is read
again and must say what was meant and nothing else, else the edit is refused: then the file is to be edited by hand.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dlm.errors import ManifestError
from dlm.model.frozen import dataclass

if TYPE_CHECKING:
    from ruamel.yaml.nodes import Node, SequenceNode

__all__ = ["Entry", "Plain", "add_resources", "remove_resources"]

#: What a key of a resource may hold here.
Plain = str | int | bool | Sequence[str] | Mapping[str, "Plain"]
#: A resource: its short form, or its keys in the order in which they are to stand.
Entry = str | Mapping[str, Plain]

_KEY = "resources"
#: Without quotes: nothing that YAML takes for a sign, whatever stands around it.
_UNQUOTED = re.compile(r"[A-Za-z0-9/_$.][A-Za-z0-9/_$.:%+=~@;!*()<>&^-]*(?<!:)\Z")
#: The same outside of brackets, where these and a comma are letters like others.
_UNQUOTED_IN_BLOCK = re.compile(r"[A-Za-z0-9/_$.][A-Za-z0-9/_$.:%+=~@;!*()<>&^,{}\[\]?-]*(?<!:)\Z")
#: What some reader of YAML takes for something else than text.
_NO_TEXT = re.compile(
    r"(?:[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9_]+)(?:e[-+]?[0-9]+)?|0x[0-9a-f_]+|0o?[0-7_]+|0b[01_]+"
    r"|[-+]?[0-9]+(?::[0-9]+)+(?:\.[0-9]*)?|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*"
    r"|true|false|yes|no|on|off|y|n|null|~|[-+]?\.inf|\.nan)\Z",
    re.IGNORECASE,
)


def add_resources(text: str, entries: Sequence[Entry]) -> str:
    """``text`` with ``entries`` behind the last of its resources, written as its others are.

    Args:
        text: a manifest that can be read.

    Raises:
        ManifestError: the text is laid out in a way that cannot be added to; the message says so.
    """
    mark, body = _without_mark(text)
    before = _said(body)
    if before is None:
        raise _unable("cannot be added to")
    changed = _add_yaml(body, entries) if _json_or_none(body) is None else _add_json(body, entries)
    if _said(changed) != {**before, _KEY: [*before[_KEY], *map(_meant, entries)]}:
        raise _unable("cannot be added to")
    return mark + changed


def remove_resources(text: str, places: Collection[int]) -> str:
    """``text`` without the resources at ``places``, counted from 0.

    Comments on the lines of a resource go with it; those on lines of their own above it stay.

    Raises:
        ManifestError: the text is laid out in a way that nothing can be taken from.
    """
    mark, body = _without_mark(text)
    before = _said(body)
    if before is None:
        raise _unable("cannot be taken from")
    left = list(before[_KEY])
    changed = body
    for place in sorted(places, reverse=True):
        span = _json_list(changed)
        changed = _remove_flow(changed, span, place) if span is not None else _remove_yaml(changed, place)
        del left[place]
    if _said(changed) != {**before, _KEY: left}:
        raise _unable("cannot be taken from")
    return mark + changed


def _unable(what: str) -> ManifestError:
    return ManifestError(
        f"the list of resources {what} without changing something else in the file", hint="edit it by hand"
    )


def _without_mark(text: str) -> tuple[str, str]:
    return ("\ufeff", text[1:]) if text.startswith("\ufeff") else ("", text)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


# What a text says, to compare


def _said(text: str) -> dict[str, Any] | None:
    """The text's keys and values, every scalar as text; None where it has no list of resources."""
    value = _json_or_none(text)
    said = _meant(value) if value is not None else _value(_compose(text))
    return said if isinstance(said, dict) and isinstance(said.get(_KEY), list) else None


def _meant(entry: Any) -> Any:
    """A value as :func:`_said` has it."""
    if isinstance(entry, Mapping):
        return {key: _meant(one) for key, one in entry.items()}
    if isinstance(entry, list | tuple):
        return [_meant(one) for one in entry]
    return entry if isinstance(entry, str) else json.dumps(entry)


def _value(node: Node | None) -> Any:
    from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

    if isinstance(node, MappingNode):
        return {str(key.value): _value(value) for key, value in node.value}
    if isinstance(node, SequenceNode):
        return [_value(one) for one in node.value]
    return node.value if isinstance(node, ScalarNode) else None


# JSON


def _json_or_none(text: str) -> dict[str, Any] | None:
    if text.lstrip()[:1] != "{":
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None  # YAML in braces
    return value if isinstance(value, dict) else None


@dataclass(frozen=True, slots=True)
class _List:
    """A list in brackets: where ``[`` and ``]`` stand, and from where to where each of its items."""

    opening: int
    closing: int
    spans: tuple[tuple[int, int], ...]


def _json_list(text: str) -> _List | None:
    """Where the list of resources is in a JSON text; None for a text that is none."""
    if _json_or_none(text) is None:
        return None
    decoder = json.JSONDecoder()
    at = _past_blanks(text, text.index("{") + 1)
    while text[at] == '"':
        key, at = decoder.raw_decode(text, at)
        at = _past_blanks(text, _past_blanks(text, at) + 1)
        if key == _KEY and text[at] == "[":
            return _json_items(text, at, decoder)
        _, at = decoder.raw_decode(text, at)
        at = _past_blanks(text, _past_blanks(text, at) + 1)
        if at >= len(text):
            break
    return None


def _json_items(text: str, opening: int, decoder: json.JSONDecoder) -> _List:
    spans: list[tuple[int, int]] = []
    at = _past_blanks(text, opening + 1)
    while text[at] != "]":
        start = at
        _, end = decoder.raw_decode(text, start)
        spans.append((start, end))
        at = _past_blanks(text, end)
        if text[at] == ",":
            at = _past_blanks(text, at + 1)
    return _List(opening, at, tuple(spans))


def _past_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _add_json(text: str, entries: Sequence[Entry]) -> str:
    place = _json_list(text)
    if place is None:
        raise _unable("cannot be added to")
    unit = _unit(text)
    depth = _indent_of(text, place.spans[0][0]) if place.spans else 2 * unit
    wide = any("\n" in text[start:end] for start, end in place.spans)
    if not any(text[start] == "{" for start, _ in place.spans):
        wide = "\n" in text.strip()
    items: list[str] = []
    for entry in entries:
        spread = wide and not isinstance(entry, str)
        item = json.dumps(entry, ensure_ascii=False, indent=(unit or "  ") if spread else None)
        items.append(item.replace("\n", _newline(text) + depth))
    if not place.spans and "\n" in text.strip():
        newline = _newline(text)
        inner = f",{newline}{depth}".join(items)
        return f"{text[: place.opening]}[{newline}{depth}{inner}{newline}{unit}]{text[place.closing + 1 :]}"
    return _add_flow(text, place, items)


def _unit(text: str) -> str:
    """One step of indentation: what stands before the first key."""
    match = re.match(r"\s*\{[ \t]*\r?\n([ \t]*)", text)
    return match[1] if match else ""


def _indent_of(text: str, at: int) -> str:
    """The blanks before ``at``, if nothing else stands before it on its line."""
    before = text[_line_start(text, at) : at]
    return before if not before.strip() else ""


# Lists in brackets, of YAML and of JSON


def _add_flow(text: str, place: _List, items: Sequence[str]) -> str:
    if not place.spans:
        return f"{text[: place.opening]}[{', '.join(items)}]{text[place.closing + 1 :]}"
    first, (_, end) = place.spans[0][0], place.spans[-1]
    line_end = _line_end(text, end)
    if "\n" not in text[place.opening : first] or place.closing < line_end:
        return text[:end] + "".join(f", {item}" for item in items) + text[end:]
    newline, indent = _newline(text), _indent_of(text, first)
    comma = _comma(text, end, place.closing)
    lines = [f"{newline}{indent}{item}" for item in items]
    joined = ",".join(lines) + ("," if comma is not None else "")
    stop = line_end - len(newline) if text[line_end - 1 : line_end] == "\n" else line_end
    return text[:end] + ("" if comma is not None else ",") + text[end:stop] + joined + text[stop:]


def _remove_flow(text: str, place: _List, index: int) -> str:
    start, end = place.spans[index]
    last = index == len(place.spans) - 1
    comma = _comma(text, end, place.closing if last else place.spans[index + 1][0])
    after = end if comma is None else comma + 1
    before = _comma(text, place.spans[index - 1][1], start) if index else None
    line_start, line_end = _line_start(text, start), _line_end(text, after)
    rest = text[after:line_end].strip()
    if not text[line_start:start].strip() and (not rest or rest.startswith("#")):
        cut = text[:line_start] + text[line_end:]
        if last and comma is None and before is not None:
            cut = cut[:before] + cut[before + 1 :]
    elif not last:
        following = place.spans[index + 1][0]
        cut = text[:start] + text[following if "\n" not in text[after:following] else after :]
    elif index:
        cut = text[: place.spans[index - 1][1]] + text[end:]
    else:
        cut = text[: place.opening + 1] + text[place.closing :]
    if len(place.spans) == 1:
        closing = place.closing - (len(text) - len(cut))
        if not cut[place.opening + 1 : closing].strip():
            cut = cut[: place.opening + 1] + cut[closing:]
    return cut


def _comma(text: str, start: int, stop: int) -> int | None:
    """Where the comma stands between two items, comments aside."""
    comment = False
    for at in range(start, stop):
        if text[at] == "\n":
            comment = False
        elif text[at] == "#" and text[at - 1].isspace():
            comment = True
        elif text[at] == "," and not comment:
            return at
    return None


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _line_end(text: str, at: int) -> int:
    """Behind the line end of the line that ``at`` is in."""
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1


# YAML


def _compose(text: str) -> Node | None:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        node: Node | None = YAML(typ="rt", pure=True).compose(text)
    except YAMLError as error:
        raise _unable("cannot be edited") from error
    return node


@dataclass(frozen=True, slots=True)
class _Place:
    """The list of resources of a YAML text, and the end of its key."""

    root_in_braces: bool
    key_end: int
    node: SequenceNode

    @property
    def items(self) -> list[Node]:
        return list(self.node.value)

    @property
    def brackets(self) -> _List | None:
        if not self.node.flow_style:
            return None
        spans = tuple((one.start_mark.index, one.end_mark.index) for one in self.items)
        return _List(self.node.start_mark.index, self.node.end_mark.index - 1, spans)


def _yaml_place(text: str) -> _Place:
    from ruamel.yaml.nodes import MappingNode, SequenceNode

    root = _compose(text)
    if not isinstance(root, MappingNode):
        raise _unable("cannot be edited")
    for key, value in root.value:
        if key.value == _KEY and isinstance(value, SequenceNode):
            starts = [key.start_mark.index, value.start_mark.index, *(one.start_mark.index for one in value.value)]
            if starts != sorted(starts):
                break  # an alias: what it means stands elsewhere
            return _Place(bool(root.flow_style), key.end_mark.index, value)
    raise _unable("cannot be edited")


def _add_yaml(text: str, entries: Sequence[Entry]) -> str:
    place = _yaml_place(text)
    quote = _quote(place.items)
    brackets = place.brackets
    if brackets is not None and (brackets.spans or place.root_in_braces):
        return _add_flow(text, brackets, [_in_flow(entry, quote) for entry in entries])
    newline = _newline(text)
    if brackets is not None:
        return _fill_empty(text, place, brackets, [_in_block(entry, "  - ", "", newline) for entry in entries])
    last = place.items[-1]
    column = place.node.start_mark.column
    lead = _lead(text, column, last)
    flow = _mappings_in_braces(place.items)
    written = [
        lead + _in_flow(entry, quote) if flow and not isinstance(entry, str) else _in_block(entry, lead, quote, newline)
        for entry in entries
    ]
    gap = newline if _spaced(text, place) else ""
    at = _behind(text, last, column)
    block = "".join(f"{gap}{one}{newline}" for one in written)
    if text[at - 1] != "\n":  # the file ends without a line end, and goes on to
        block = newline + block[: -len(newline)]
    return text[:at] + block + text[at:]


def _fill_empty(text: str, place: _Place, brackets: _List, written: Sequence[str]) -> str:
    """``resources: []`` becomes a list of lines."""
    colon = text.index(":", place.key_end)
    if "#" in text[colon : brackets.closing]:
        raise _unable("cannot be added to")
    newline = _newline(text)
    end = _line_end(text, brackets.closing)
    head = text[: colon + 1] + text[brackets.closing + 1 : end]
    block = "".join(f"{one}{newline}" for one in written)
    if not head.endswith("\n"):
        return head + newline + block[: -len(newline)]
    return head + block + text[end:]


def _remove_yaml(text: str, index: int) -> str:
    place = _yaml_place(text)
    brackets = place.brackets
    if brackets is not None:
        return _remove_flow(text, brackets, index)
    items, column = place.items, place.node.start_mark.column
    start, end = _dash_line(text, items[index], column), _behind(text, items[index], column)
    first, last = index == 0, index == len(items) - 1
    before, after = text[_line_start(text, start - 1) : start] if start else "", text[end : _line_end(text, end)]
    if not first and not before.strip() and (last or not after.strip()):
        start -= len(before)
    elif first and not last and before.strip() and after and not after.strip():
        end += len(after)
    if end == len(text) and not text.endswith("\n"):
        start -= 2 if text[:start].endswith("\r\n") else 1
    cut = text[:start] + text[end:]
    if len(items) == 1:
        colon = text.index(":", place.key_end)
        cut = cut[: colon + 1] + " []" + cut[colon + 1 :]
    return cut


def _dash_line(text: str, item: Node, column: int) -> int:
    """Where the line of an item's dash begins."""
    at = _line_start(text, item.start_mark.index)
    while text[at + column : at + column + 1] != "-" or text[at : at + column].strip():
        if at == 0:
            raise _unable("cannot be edited")
        at = _line_start(text, at - 1)
    return at


def _lead(text: str, column: int, item: Node) -> str:
    """What stands before an item's first word: blanks, the dash, blanks."""
    start = _line_start(text, item.start_mark.index)
    lead = text[start : item.start_mark.index]
    return lead if lead.strip() == "-" else " " * column + "- "


def _end(item: Node) -> int:
    """Behind the last character of an item; the marks of what has no brackets lie behind blanks and comments."""
    from ruamel.yaml.nodes import MappingNode, SequenceNode

    if not isinstance(item, MappingNode | SequenceNode) or item.flow_style or not item.value:
        return int(item.end_mark.index)
    if isinstance(item, SequenceNode):
        last = item.value[-1]
        return _end(last) if last.start_mark.index >= item.start_mark.index else int(item.end_mark.index)
    key, value = item.value[-1]
    # An alias has the marks of what it stands for; the rest of its line is short of nothing.
    return _end(value) if value.start_mark.index >= key.end_mark.index else int(key.end_mark.index)


def _behind(text: str, item: Node, column: int) -> int:
    """Behind the lines of an item, with the comments below it that are indented as its insides are."""
    end = _end(item)
    end -= len(text[:end]) - len(text[:end].rstrip())
    at = _line_end(text, end)
    while at < len(text):
        line = text[at : _line_end(text, at)]
        inside = len(line) - len(line.lstrip(" "))
        if not line.lstrip(" ").startswith("#") or inside <= column:
            break
        at += len(line)
    return at


def _spaced(text: str, place: _Place) -> bool:
    """Whether an empty line stands before each item but the first."""
    items = place.items
    if len(items) < 2:
        return False
    column = place.node.start_mark.column
    return all(
        any(
            not line.strip() for line in text[_behind(text, one, column) : _dash_line(text, other, column)].splitlines()
        )
        for one, other in itertools.pairwise(items)
    )


def _quote(items: Sequence[Node]) -> str:
    """The quotation mark that all short forms and addresses of the list stand in, if there is one."""
    from ruamel.yaml.nodes import MappingNode, ScalarNode

    styles: set[str] = set()
    for item in items:
        if isinstance(item, ScalarNode):
            styles.add(item.style or "")
        elif isinstance(item, MappingNode):
            styles.update(value.style or "" for key, value in item.value
                          if key.value in {"url", "selector"} and isinstance(value, ScalarNode))  # fmt: skip
    return styles.pop() if len(styles) == 1 and styles <= {"'", '"'} else ""


def _mappings_in_braces(items: Sequence[Node]) -> bool:
    from ruamel.yaml.nodes import MappingNode

    found = [bool(item.flow_style) for item in items if isinstance(item, MappingNode)]
    return bool(found) and all(found)


# Writing


def _in_block(entry: Entry, lead: str, quote: str, newline: str) -> str:
    if isinstance(entry, str):
        return lead + _scalar(entry, quote, flow=False)
    inside = " " * len(lead)
    return newline.join(
        f"{inside if number else lead}{key}: {_plain(value, quote, flow=False)}"
        for number, (key, value) in enumerate(entry.items())
    )


def _in_flow(entry: Entry, quote: str) -> str:
    if isinstance(entry, str):
        return _scalar(entry, quote, flow=True)
    return "{" + ", ".join(f"{key}: {_plain(value, quote, flow=True)}" for key, value in entry.items()) + "}"


def _plain(value: Plain, quote: str, *, flow: bool) -> str:
    if isinstance(value, str):
        return _scalar(value, quote, flow=flow)
    if isinstance(value, bool | int):
        return json.dumps(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_plain(one, quote, flow=True)}" for key, one in value.items()) + "}"
    return "[" + ", ".join(_scalar(one, "", flow=True) for one in value) + "]"


def _scalar(text: str, quote: str, *, flow: bool) -> str:
    if quote == "'" and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    unquoted = (_UNQUOTED if flow else _UNQUOTED_IN_BLOCK).match(text) and not _NO_TEXT.match(text)
    return text if unquoted and not quote else json.dumps(text, ensure_ascii=False)
