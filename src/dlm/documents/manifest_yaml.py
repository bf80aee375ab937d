"""The manifest's text -> ``Manifest``: YAML 1.2's scalars by libyaml's parser, or JSON by the JSON parser.

All that is wrong is reported at once, each with file, line and key. Scalars are never coerced: what is no
whole number, no ``true`` and no ``false`` is the text that stands there; ``1.10`` and ``no`` stay as written.
"""

from __future__ import annotations

import difflib
import gc
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import cache
from typing import Any, NoReturn

import yaml
from pydantic import TypeAdapter, ValidationError

from dlm.documents.wishes import Complaint, Wishes, asks
from dlm.errors import ManifestError, Problem
from dlm.model.evidence_wish import WishError
from dlm.model.frozen import dataclass
from dlm.model.manifest import Manifest, Resource, fill
from dlm.model.paths import collision_key
from dlm.model.places import Taken
from dlm.model.policy import EvidencePolicy
from dlm.model.selector import Grammar
from dlm.model.url import Url
from dlm.model.written import DefaultsForm, ExtractForm, ManifestForm, RequestForm, ResourceForm

__all__ = ["KNOWN_VERSIONS", "read_manifest"]

KNOWN_VERSIONS = (1,)

_Path = tuple[str | int, ...]
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_ADAPTER = TypeAdapter(ManifestForm)
_STANDARD_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset(
    f"{_STANDARD_TAG}{name}"
    for name in ("str", "int", "float", "bool", "null", "timestamp", "seq", "map", "value", "merge")
)
# No manifest needs more, and what recurses over a value has a floor to stand on.
_DEEPEST = 32
_NO_CHARACTER = re.compile(r"[\x00\ud800-\udfff]")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]{0,18})(?:\.[0-9]{1,18})?(?:[eE][-+]?[0-9]{1,3})?\Z")
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,18})\Z")
_WORDS: Mapping[str, bool | None] = {
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    "null": None, "Null": None, "NULL": None, "~": None, "": None,
}  # fmt: skip


def read_manifest(
    data: bytes,
    file: str,
    *,
    dlm_version: str,
    grammars: Mapping[str, Grammar] | None = None,
    fold_case: bool = False,
    lockfile: str | None = None,
) -> Manifest:
    """Read and check a manifest.

    Args:
        data: the file's bytes.
        file: its name, for messages.
        dlm_version: what ``requires-dlm`` is held against.
        grammars: selector grammars of plug-ins, by scheme.
        fold_case: whether this platform takes ``A`` and ``a`` for one file, so that such a pair is an error here.
        lockfile: the name of the lockfile beside it, whose place no resource may take; nor that of ``file`` itself.

    Raises:
        ManifestError: with every problem found.
    """
    complaints = _Complaints(file)
    text = _decode(data, complaints)
    document: _Document = _parse(text, complaints)
    complaints.lines = document.line
    form, indices = _validate(document.value, complaints)
    documents = {file: "this very manifest", **({lockfile: "this project's lockfile"} if lockfile else {})}
    assembly = _Assembly(
        form,
        indices,
        complaints,
        grammars=grammars or {},
        dlm_version=dlm_version,
        fold_case=fold_case,
        documents=documents,
    )
    return assembly.manifest()


class _Complaints:
    """Everything wrong so far."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._problems: list[Problem] = []
        self._paths: set[_Path] = set()
        self._around: set[_Path] = set()
        self.lines: Callable[[_Path], int | None] = lambda path: None

    def add(self, path: _Path, message: str, hint: str | None = None, line: int | None = None) -> None:
        if path in self._paths:
            return  # what is wrong there has been said, and the rest follows from it
        if path:
            self._paths.add(path)
            self._around.update(path[:length] for length in range(1, len(path)))
        where = line if line is not None else self.lines(path)
        self._problems.append(Problem(message, file=self._file, line=where, key=_key(path), hint=hint))

    def within(self, path: _Path) -> bool:
        """Whether something below ``path`` is wrong."""
        return path in self._around

    def stop(self) -> None:
        """Raise what was found, if anything was."""
        if self._problems:
            raise self._error()

    def refuse(self, path: _Path, message: str, hint: str | None = None, line: int | None = None) -> NoReturn:
        """Raise what was found, with something behind which nothing can be read any more."""
        self.add(path, message, hint, line)
        raise self._error()

    def _error(self) -> ManifestError:
        ordered = sorted(self._problems, key=lambda problem: problem.line or 0)
        count = len(ordered)
        return ManifestError(
            f"{self._file}: {count} problem{'s' if count != 1 else ''}",
            problems=ordered,
            hint=f"edit {self._file}; `dlm schema` prints a JSON Schema for editors",
        )


class _Document:
    """A parsed text: its value, and the line of any path in it (1 for the first)."""

    def __init__(self, value: Any, line: Callable[[_Path], int | None]) -> None:
        self.value = value
        self.line = line


def _decode(data: bytes, complaints: _Complaints) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        complaints.refuse((), "not UTF-8", "save the file as UTF-8", line=line)
    if "\0" in text:
        complaints.refuse((), "a NUL character", line=text[: text.index("\0")].count("\n") + 1)
    return text


def _parse(text: str, complaints: _Complaints) -> _Document:
    if text.lstrip()[:1] == "{":
        value = _parse_json(text)
        if value is not None:
            return _Document(value, _json_lines(text))
    with _collector_paused():
        try:
            node = _compose(text)
        except yaml.YAMLError as error:
            complaints.refuse((), *_yaml_words(error))
        if node is None or _is_null(node):
            complaints.refuse(
                (), "the manifest is empty", "begin with `dlm init`, or write version: 1 and resources: []", line=1
            )
        value = _Builder(complaints, limit=20 * len(text) + 1000).build(node, ())
    return _Document(value, lambda path: _line(node, path))


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and not node.style and _WORDS.get(node.value, "") is None


def _json_lines(text: str) -> Callable[[_Path], int | None]:
    """Lines of a JSON text, found when the first is asked for: JSON is YAML, but for halves of surrogate pairs."""

    @cache
    def root() -> yaml.Node | None:
        try:
            return _compose(_SURROGATE.sub(r"\\u0020", text))
        except yaml.YAMLError:
            return None  # YAML forbids a few things more, such as very long keys; the complaint then has no line

    return lambda path: _line(root(), path)


def _parse_json(text: str) -> Any:
    """The value, or None where it is no strict JSON and the YAML parser shall say what is wrong."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) != len(items) or None in found.values():
            raise ValueError("a duplicate key, or a key without a value")
        return found

    def refuse(word: str) -> Any:
        raise ValueError(word)  # also a fraction, which means a number or a text by where it stands

    try:
        with _collector_paused():
            value = json.loads(
                text, object_pairs_hook=pairs, parse_constant=refuse, parse_int=_json_integer, parse_float=refuse
            )
            if "\\ud" in text.lower():
                json.dumps(value, ensure_ascii=False).encode()  # raises ValueError for half of a surrogate pair
            return None if _too_deep(value) else value
    except (ValueError, RecursionError):
        return None


def _too_deep(value: Any) -> bool:
    level: list[Any] = [value]
    for _ in range(_DEEPEST):
        boxes = [one for one in level if isinstance(one, dict | list)]
        level = [inner for box in boxes for inner in (box.values() if isinstance(box, dict) else box)]
    return bool(level)


def _json_integer(text: str) -> int | str:
    return int(text) if _INTEGER.match(text) else text


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Many small objects and no garbage among them: the collector would only walk them again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _compose(text: str) -> yaml.Node | None:
    _refuse_depth(text)
    loader = _Loader(text)
    try:
        node: yaml.Node | None = loader.get_single_node()
    finally:
        loader.dispose()
    return node


def _refuse_depth(text: str) -> None:
    """The composer recurses in C, where a text of a hundred thousand brackets ends the process.

    Every level costs a bracket or a column, so most texts need no more than this glance.
    """
    brackets = text.count("[") + text.count("{")
    if brackets + 2 * max(map(len, text.splitlines()), default=0) < 1000:
        return
    loader = _Loader(text)
    try:
        depth = 0
        while (event := loader.get_event()) is not None:
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > _DEEPEST:
                    mark: Any = event.start_mark
                    raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=mark)
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
    finally:
        loader.dispose()


def _yaml_words(error: yaml.YAMLError) -> tuple[str, str | None, int | None]:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    line = mark.line + 1 if mark is not None else 1
    if "single document" in str(error):
        return "more than one document", "a manifest is one document; remove the line ---", line
    hint = None
    if "\t" in problem or "cannot start any token" in problem:
        hint = "indent with blanks, never with tabs, and quote what begins with a special character"
    elif "expected ','" in problem:
        hint = "between [ ] or { }, an address that holds braces stands in quotes"
    return f"not YAML: {problem}", hint, line


class _Builder:
    """Nodes -> plain values; duplicate keys, odd tags and empty values are complaints."""

    def __init__(self, complaints: _Complaints, limit: int) -> None:
        self._complaints = complaints
        self._left = limit

    def build(self, node: yaml.Node, path: _Path) -> Any:
        # An alias is the same node again: a few lines could unfold into millions of values.
        self._left -= 1
        if self._left < 0:
            self._complaints.refuse(path, "aliases unfold into too much", line=node.start_mark.line + 1)
        if len(path) > _DEEPEST:
            self._complaints.refuse(path, "nested too deeply", line=node.start_mark.line + 1)
        if node.tag not in _PLAIN_TAGS and node.tag != "!":
            self._complain(node, path, f"the tag {_short_tag(node.tag)} is not allowed")
            return "" if path and isinstance(path[-1], int) else None
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(one, (*path, index)) for index, one in enumerate(node.value)]
        return self._mapping(node, path) if isinstance(node, yaml.MappingNode) else None

    def _scalar(self, node: yaml.ScalarNode, path: _Path) -> Any:
        text: str = node.value
        if not node.style and node.tag != f"{_STANDARD_TAG}str":
            if _in_json_body(path) and _FLOAT.match(text) and not _INTEGER.match(text):
                return float(text)
            if text in _WORDS:
                value = _WORDS[text]
                if value is None and not _in_json_body(path):
                    self._complain(node, path, "no value stands here", "give it one, or remove the line")
                    return "" if path and isinstance(path[-1], int) else None
                return value
            if _INTEGER.match(text):
                return int(text)
        if _NO_CHARACTER.search(text):
            self._complain(node, path, "a character that is none (a lone surrogate or NUL)")
            return ""
        return text

    def _mapping(self, node: yaml.MappingNode, path: _Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._complain(key_node, path, "a key is a plain word")
                continue
            key = key_node.value
            if key_node.tag not in _PLAIN_TAGS and key_node.tag != "!":
                self._complain(key_node, (*path, key), f"the tag {_short_tag(key_node.tag)} is not allowed")
                continue
            if key in found:
                self._complain(key_node, (*path, key), "the key stands here twice", "remove one of them")
                continue
            built = self.build(value_node, (*path, key))
            if built is not None or _in_json_body((*path, key)):
                found[key] = built
        return found

    def _complain(self, node: yaml.Node, path: _Path, message: str, hint: str | None = None) -> None:
        self._complaints.add(path, message, hint, line=node.start_mark.line + 1)


def _in_json_body(path: _Path) -> bool:
    """Whether a path lies in the JSON body of a request, where numbers and null mean what they mean in JSON."""
    return path[2:4] == ("request", "json") and path[:1] == ("resources",)


def _short_tag(tag: str) -> str:
    return tag.replace(_STANDARD_TAG, "!!")


def _line(node: yaml.Node | None, path: _Path) -> int | None:
    """The line of a path, or of the nearest thing around it that exists."""
    line: int | None = None
    for part in path:
        if node is None:
            break
        line = node.start_mark.line + 1
        following: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == part:
                    line = key.start_mark.line + 1
                    following = value
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            following = node.value[part]
            line = following.start_mark.line + 1
        node = following
    return line if line is not None or node is None else node.start_mark.line + 1


def _key(path: _Path) -> str:
    out = ""
    for part in path:
        if isinstance(part, int):
            out += f"[{part}]"
        else:
            word = part if part.isprintable() else repr(part)[1:-1]  # it goes to a terminal
            out += f".{word}" if out else word
    return out


def _validate(value: Any, complaints: _Complaints) -> tuple[ManifestForm, Sequence[int]]:
    """The form, and where each of its resources stands in the file.

    What has the wrong keys or types is complained of and left out, so that the rest is checked all the same.
    """
    if not isinstance(value, dict):
        if value is not None:  # a complaint about the whole has been made
            complaints.add((), "a manifest is a mapping with the keys version and resources")
        complaints.stop()
    _check_version(value, complaints)
    try:
        form = _ADAPTER.validate_json(json.dumps(value))
    except ValidationError as error:
        bad = _complain_of(error.errors(include_url=False), value, complaints)
        return _validate_rest(value, bad, complaints)
    return form, range(len(form.resources))


# Without one of these, what remains of a resource says something else, and complaints about it would mislead.
_TELLING = frozenset({"base", "extract", "files", "name", "platforms", "selector", "url", "vars", "version"})


def _validate_rest(
    value: dict[str, Any], bad: set[_Path], complaints: _Complaints
) -> tuple[ManifestForm, Sequence[int]]:
    top = {path[0] for path in bad if path and (len(path) == 1 or path[0] != "resources")}
    resources = value.get("resources")
    if not isinstance(resources, list) or "version" in top:
        complaints.stop()
        resources = []
    below = {path[:3] for path in bad if path[0] == "resources"}
    worst = {path[1] for path in below if len(path) == 2 or path[2] in _TELLING}
    kept = [index for index in range(len(resources)) if index not in worst]
    wrong = {path for path in below if len(path) > 2}
    rest = {key: one for key, one in value.items() if key not in top}
    rest["resources"] = [
        {key: one for key, one in resources[index].items() if ("resources", index, key) not in wrong}
        if isinstance(resources[index], dict)
        else resources[index]
        for index in kept
    ]
    try:
        return _ADAPTER.validate_json(json.dumps(rest)), kept
    except ValidationError:
        complaints.stop()  # a key that is called like a branch of a union hid what is wrong below it
        raise


def _check_version(value: Mapping[str, Any], complaints: _Complaints) -> None:
    version = value.get("version")
    if isinstance(version, int) and not isinstance(version, bool) and version not in KNOWN_VERSIONS:
        known = ", ".join(str(one) for one in KNOWN_VERSIONS)
        complaints.add(("version",), f"version {version} of the manifest is not known; this dlm reads version {known}",
                       "a newer dlm may read it")  # fmt: skip
        complaints.stop()


# Parts of an error's location that name a branch of a union rather than a key.
_BRANCH = re.compile(
    r"(?:str|int|bool|ExtractForm|ResourceForm|(?:list|dict|union|function-\w+|lax-or-strict|nullable)\[.*\])\Z"
)


def _complain_of(errors: Sequence[Any], value: Any, complaints: _Complaints) -> set[_Path]:
    """Say what is wrong; the paths of that come back.

    Where several forms are allowed, each has its own complaint. If one was meant, its complaint lies further
    inside; if none was, they become one complaint that names them all.
    """
    said: set[_Path] = set()
    expected: dict[_Path, tuple[Any, list[str]]] = {}
    for error in errors:
        path, at = _place(error["loc"], value)
        kind = _EXPECTED.get(error["type"])
        if kind is None:
            complaints.add(path, *_words(error, path, at))
            said.add(path)
        else:
            words = expected.setdefault(path, (at, []))[1]
            if kind not in words:
                words.append(kind)
    around = {path[:length] for path in (*said, *expected) for length in range(len(path))}
    for path, (at, words) in expected.items():
        if path not in around:
            complaints.add(path, *_type_words(path, at, words))
            said.add(path)
    return said


def _place(location: Sequence[str | int], value: Any) -> tuple[_Path, Any]:
    """The path that an error's location means, and what stands there."""
    path: list[str | int] = []
    at: Any = value
    for part in location:
        known = isinstance(at, dict) and part in at
        branch = isinstance(part, str) and _BRANCH.match(part) is not None
        if branch and (not known or (len(path) == 2 and part == "ResourceForm")):
            continue
        path.append(part)
        at = at[part] if known or (isinstance(at, list) and isinstance(part, int) and part < len(at)) else None
    return tuple(path), at


_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing_size": "a whole number of at most 19 digits",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "dataclass_type": "a mapping",
}


def _words(error: Any, path: _Path, value: Any) -> tuple[str, str | None]:
    kind = error["type"]
    last = str(path[-1])
    if kind == "unexpected_keyword_argument":
        return f"unknown key {last!r}", _near(last, path)
    if kind == "missing":
        return f"the key {last!r} is missing", "write resources: [] for none" if last == "resources" else None
    if kind == "literal_error":
        return f"expected {error['ctx']['expected']}, found {_named(value)}", _near_choice(error, value)
    return str(error["msg"]), None


def _type_words(path: _Path, value: Any, expected: Sequence[str]) -> tuple[str, str | None]:
    """What was expected and what stands there instead."""
    wanted = " or ".join(expected)
    if len(path) == 2 and path[0] == "resources":
        wanted = "a URL, a selector or a mapping"
    hint = None
    if "text" in expected and len(path) > 2 and isinstance(value, int):
        hint = f'write it in quotes: "{json.dumps(value)}"'
    if "true or false" in expected and isinstance(value, str) and value.lower() in {"yes", "no", "on", "off"}:
        hint = f"write {'true' if value.lower() in {'yes', 'on'} else 'false'}"
    if isinstance(value, str):
        if "a list" in expected and value.isprintable():
            hint = f"write [{value[:60]}]"
        elif "a whole number" in expected and _INTEGER.match(value):
            hint = "write it without quotes"
    return f"expected {wanted}, found {_named(value)}", hint


def _named(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {str(value)[:40]}"
    if isinstance(value, str):
        return f"the text {value[:60]!r}"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    return "nothing"


#: The forms below a resource.
_FORMS: Mapping[str, type[ExtractForm | RequestForm]] = {"extract": ExtractForm, "request": RequestForm}


def _near(word: str, path: _Path) -> str | None:
    if len(path) == 1:
        names = ["version", "requires-dlm", "defaults", "policy", "resources"]
    elif path[0] == "defaults":
        names = [one.name for one in fields(DefaultsForm)]
    else:
        form = _FORMS.get(str(path[2]), ResourceForm) if len(path) > 3 else ResourceForm
        names = [one.name for one in fields(form)]
    if path[0] == "defaults" and word in {"headers", "request"}:
        return "headers go to one host, so they stand with a resource, never under defaults"
    if len(path) == 1 and word in {
        "settings",
        "config",
        "cache",
        "jobs",
        "proxy",
        "backend",
        "rewrite",
    }:
        return "settings stand in the user's configuration, never in the manifest"
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(sorted(names))}"


def _near_choice(error: Any, value: Any) -> str | None:
    choices = re.findall(r"'([^']+)'", str(error["ctx"]["expected"]))
    near = difflib.get_close_matches(str(value), choices, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else None


class _Assembly:
    """A checked form -> the manifest."""

    def __init__(
        self,
        form: ManifestForm,
        indices: Sequence[int],
        complaints: _Complaints,
        *,
        grammars: Mapping[str, Grammar],
        dlm_version: str,
        fold_case: bool,
        documents: Mapping[str, str],
    ) -> None:
        self._form = form
        self._indices = indices
        self._complaints = complaints
        self._grammars = grammars
        self._dlm_version = dlm_version
        self._fold_case = fold_case
        self._documents = {collision_key(name): f"{name}, {what}" for name, what in documents.items()}
        self._warnings: list[str] = []

    def manifest(self) -> Manifest:
        self._check_requirement()
        policy = self._policy()
        wishes = Wishes(self._form.defaults, self._grammars, self._warnings.append, self._complaint("defaults"))
        resources: list[Resource] = []
        lines: dict[str, int] = {}
        places: dict[str, int] = {}
        for index, item in zip(self._indices, self._form.resources, strict=True):
            place = ("resources", index)
            if isinstance(item, ResourceForm) and not asks(item) and self._complaints.within(place):
                continue  # the key that says what is wanted has a complaint of its own
            complain = self._complaint(*place, short=isinstance(item, str))
            read = wishes.short(item, complain) if isinstance(item, str) else wishes.long(item, complain)
            if read is None:
                continue
            if read.name in places:
                other = self._complaints.lines(("resources", places[read.name]))
                complain(
                    (),
                    f"the name {read.name!r} is taken by the resource in line {other}",
                    "give one of them a name",
                )
                continue
            places[read.name] = index
            resources.append(read)
        self._check_destinations(resources, places)
        self._complaints.stop()
        if len(resources) <= 1000:  # a line for each costs a walk over the text
            lines = {name: self._complaints.lines(("resources", index)) or 1 for name, index in places.items()}
        return Manifest(
            resources=tuple(resources),
            version=self._form.version,
            requires_dlm=self._form.requires_dlm,
            policy=policy,
            warnings=tuple(self._warnings),
            lines=lines,
        )

    def _policy(self) -> EvidencePolicy:
        """What the manifest demands on top of the configuration; all other rules are the user's to make."""
        given = self._form.policy or {}
        for key in given:
            if key != "evidence":
                self._complaints.add(
                    ("policy", key), f"{key!r} is no policy that a manifest can tighten", "known here: evidence"
                )
        try:
            return EvidencePolicy.from_mapping(given.get("evidence", {}))
        except WishError as error:
            for host, message in error.problems:
                self._complaints.add(("policy", "evidence", host), message)
            return EvidencePolicy()

    def _complaint(self, *above: str | int, short: bool = False) -> Complaint:
        def complain(path: _Path, message: str, hint: str | None) -> None:
            self._complaints.add((*above, *(() if short else path)), message, hint)

        return complain

    def _check_requirement(self) -> None:
        wanted = self._form.requires_dlm
        if wanted is None:
            return
        from packaging.specifiers import InvalidSpecifier, SpecifierSet

        try:
            fits = SpecifierSet(wanted).contains(self._dlm_version, prereleases=True)
        except InvalidSpecifier:
            self._complaints.add(("requires-dlm",), f"{wanted!r} is no version range", 'write one like ">=0.1"')
            return
        if not fits:
            self._complaints.add(
                ("requires-dlm",),
                f"this project needs dlm {wanted}, and this is dlm {self._dlm_version}",
                "upgrade dlm",
            )

    def _check_destinations(self, resources: Sequence[Resource], places: Mapping[str, int]) -> None:
        taken = _Destinations()
        for resource in resources:
            dests = [*_destinations(resource)]
            self._check_documents([resource.dest, *(dest for _, dest in dests)], places[resource.name])
            for platform, dest in dests:
                clash = taken.claim(resource.name, platform, dest)
                if clash is None:
                    continue
                place, exact = clash
                message = f"{dest!r} is the destination of {place.owner!r} too"
                if place.whole != dest:
                    message = f"{dest!r} and {place.whole!r} (of {place.owner!r}) cannot both exist"
                if exact or self._fold_case:
                    self._complaints.add(
                        ("resources", places[resource.name], "dest"),
                        message,
                        "change the dest of one of them",
                    )
                else:
                    self._warnings.append(f"{resource.name}: {message} where letter case does not count")

    def _check_documents(self, dests: Iterable[str], place: int) -> None:
        """What dlm goes by is no place for what somebody else's server says."""
        for dest in dests:
            document = self._documents.get(collision_key(dest.partition("/")[0]))
            if document is not None:
                path = ("resources", place, "dest")
                self._complaints.add(path, f"{dest!r} would take the place of {document}", "change the dest")
                return


@dataclass(frozen=True, slots=True)
class _Place:
    """Somebody's claim on ``whole``, or on a folder above it."""

    owner: str
    whole: str


class _Destinations:
    """Who claims which path: as it is written, and as platforms take it that cannot keep some paths apart.

    What is refused everywhere is looked for by itself: the first of several paths that differ in letter case alone may
    be another one's spelling, and would hide it.
    """

    def __init__(self) -> None:
        self._written = _Claims()
        self._folded = _Claims()

    def claim(self, name: str, platform: str | None, dest: str) -> tuple[_Place, bool] | None:
        """Claim ``dest``; the claim it clashes with, if any, and whether it does so to the letter."""
        place = _Place(name, dest)
        exact = self._written.claim(place, platform, dest)
        near = self._folded.claim(place, platform, collision_key(dest))
        if exact is not None:
            return exact, True
        return None if near is None else (near, False)


class _Claims:
    """The claims on paths of one notation. One look-up per path component."""

    def __init__(self) -> None:
        self._files: Taken[_Place] = Taken()
        self._folders: Taken[_Place] = Taken()

    def claim(self, place: _Place, platform: str | None, path: str) -> _Place | None:
        """Claim ``path``; whoever has it, or a folder above or a path below it, already."""
        clash = self._files.by(path, platform) or self._folders.by(path, platform)
        parts = path.split("/")
        for length in range(1, len(parts)):
            above = "/".join(parts[:length])
            clash = clash or self._files.by(above, platform)
            self._folders.take(above, platform, place)
        self._files.take(path, platform, place)
        return clash


def _destinations(resource: Resource) -> Iterator[tuple[str | None, str]]:
    """The paths that are known before anything is resolved."""
    if resource.selector is not None and resource.extract is not None and resource.extract.member is None:
        yield None, resource.dest.removesuffix("/")
        return
    if resource.dest and not resource.dest.endswith("/"):
        if resource.platforms:
            for variant in resource.platforms:
                yield variant.platform, resource.dest
        else:
            yield None, resource.dest
        return
    values = dict(resource.vars)
    if resource.version is not None:
        values["version"] = resource.version
    for file in resource.files:
        yield None, resource.destination(file.name)
    if resource.url is not None:
        for variant in resource.platforms:
            url = Url.parse(fill(variant.url or resource.url, {**values, **variant.vars}))
            yield variant.platform, resource.destination(url.filename)
        if not resource.platforms:
            yield None, resource.destination(Url.parse(fill(resource.url, values)).filename)
