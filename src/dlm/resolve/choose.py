"""The chooser: which of a resolver's candidates a selector means, and why not the others. Pure; every scheme shares it.

The rules, in order: the version matches the SPEC (finals by default), newest first; the file has the TYPE and FORMAT
asked for, exactly the flags that are named, and the values that are named; a file that was packaged again (``post``,
``build``) gives way to the plain one; a withdrawn release counts only where it is named exactly. The newest version
with such a file is taken, and if there it is one file, that is the answer. More than one is an error that lists them
with what tells them apart; none is an error that says what came closest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from packaging.version import Version

from dlm.errors import DlmError, ResolutionError
from dlm.model.candidate import Candidate
from dlm.model.frozen import dataclass, replace
from dlm.resolve.specifier import Spec, parse_version

if TYPE_CHECKING:
    from dlm.model.selector import Selector

__all__ = ["Batches", "Choice", "PassedOver", "choose"]

Batches = Iterator[tuple[Candidate, ...]]

#: Options with a value that tell files of one version apart, in the order in which they are asked for.
_TELLING = ("arch", "min_macos", "build", "post")
_REPACKAGED = ("build", "post")
#: What a type says by itself, so that a selector need not: the support files for Windows are debug symbols.
_IMPLIED: Mapping[str, frozenset[str]] = {"windows-support": frozenset({"pdb"})}

#: How the reason begins where the file that is asked for by name is there, and something else does not fit.
_HAS_FILE = "has the file "

_MOST_KEPT = 1000
_MOST_LINES = 20
#: How many releases an explanation looks at beyond the SPEC: a whole line, or where there is no line, the newest few.
_MOST_NEARBY, _FEW_NEARBY = 31, 7


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A version that matches the SPEC and was not taken, and why: ``is source only``."""

    version: str
    reason: str


@dataclass(frozen=True, slots=True)
class Choice:
    """What a selector means.

    Attributes:
        chosen: one candidate; with the option ``all`` one of each release, newest first.
        passed_over: newer versions that were not taken, newest first; at most a thousand.
    """

    chosen: tuple[Candidate, ...]
    passed_over: tuple[PassedOver, ...] = ()

    def sentences(self) -> tuple[str, ...]:
        """Why versions were passed over, neighbours with one reason joined: ``3.12.11 to 3.12.14 are source only``."""
        reasons = {Version(one.version): one.reason for one in self.passed_over}
        return tuple(_ranges(reasons)[:_MOST_LINES])


def choose(
    selector: Selector,
    batches: Batches,
    *,
    nearby: Callable[[Selector], Batches] | None = None,
    remarks: Callable[[], Sequence[str]] = tuple,
) -> Choice:
    """The candidates that ``selector`` means.

    Args:
        selector: what is asked for.
        batches: candidates, newest version first, all of one version in one batch. Taken lazily: none after the one
            that settles it, all only for the option ``all``.
        nearby: a resolver's ``candidates``, to look further when nothing matches and an explanation is needed.
        remarks: what the resolver met on the way, for that explanation.

    Raises:
        ResolutionError: nothing matches, or several files do; message, details and hint say what to write instead.
        NetworkError: what ``batches`` raises.
    """
    wish = _Wish.of(selector)
    chosen: list[Candidate] = []
    passed: dict[Version, str] = {}
    for version, files in _versions(batches):
        taken, reason = wish.look(version, files)
        if reason is not None and len(passed) < _MOST_KEPT:
            passed[version] = reason
        if len(taken) > 1:
            raise _ambiguous(wish, version, taken)
        chosen.extend(taken)
        if taken and not wish.every:
            break
    if not chosen:
        raise _no_match(wish, passed, nearby, remarks)
    return Choice(tuple(chosen), tuple(PassedOver(str(version), reason) for version, reason in passed.items()))


def _versions(batches: Iterable[tuple[Candidate, ...]]) -> Iterator[tuple[Version, tuple[Candidate, ...]]]:
    """Each version with its candidates, newest first within its batch."""
    for batch in batches:
        grouped: dict[Version, list[Candidate]] = {}
        for candidate in batch:
            version = parse_version(candidate.version)
            if version is not None:  # what cannot be compared cannot be the newest
                grouped.setdefault(version, []).append(candidate)
        for version in sorted(grouped, reverse=True):
            yield version, tuple(grouped[version])


@dataclass(frozen=True, slots=True)
class _Wish:
    """A selector, taken apart once."""

    selector: Selector
    spec: Spec
    flags: frozenset[str]
    values: Mapping[str, str]
    file: str | None
    every: bool

    @classmethod
    def of(cls, selector: Selector) -> _Wish:
        options = dict(selector.options)
        every = options.pop("all", None) is not None
        options.pop("pre", None)
        file = options.pop("file", None)
        return cls(
            selector,
            Spec.of(selector),
            frozenset(name for name, value in options.items() if not value),
            {name: value for name, value in options.items() if value},
            file,
            every,
        )

    def look(self, version: Version, files: Sequence[Candidate]) -> tuple[tuple[Candidate, ...], str | None]:
        """The files of ``version`` that are meant, and if none, why; no reason where the version is not asked for."""
        against = self.spec.reason_against(version)
        if against == "outside":
            return (), None
        taken = self.narrow(files)
        if against is not None:
            return (), "is a pre-release" if taken else None
        if not taken:
            return (), self.lack(files)
        if self.file is None and self.spec.exact != version:
            kept = tuple(one for one in taken if not one.withdrawn)
            return kept, None if kept else "was withdrawn"
        return taken, None

    def narrow(self, files: Iterable[Candidate]) -> tuple[Candidate, ...]:
        """Those of one version's ``files`` that have what is asked for."""
        return _plain_first([one for one in files if self._has_all(one)], self.values)

    def _has_all(self, one: Candidate) -> bool:
        if self.file is not None:
            # The name says it all. The type is asked only where it was written, which the default cannot show.
            return (
                one.filename == self.file
                and self.selector.type in {"", "source-release", one.type}
                and self.selector.format in {"", one.format}
                and self.flags <= one.flags
                and self._has_values(one)
            )
        return self._has_type(one) and self._has_format(one) and self._has_flags(one) and self._has_values(one)

    def _has_type(self, one: Candidate) -> bool:
        return self.selector.type in {"", one.type}

    def _has_format(self, one: Candidate) -> bool:
        return self.selector.format in {"", one.format}

    def _has_flags(self, one: Candidate) -> bool:
        return self.flags ^ one.flags <= _IMPLIED.get(one.type, frozenset())

    def _has_values(self, one: Candidate) -> bool:
        return all(one.values.get(name) == value for name, value in self.values.items())

    def lack(self, files: Sequence[Candidate]) -> str:
        """Why none of a version's ``files`` is meant: the first thing that all of them lack."""
        if self.file is not None:
            named = next((one for one in files if one.filename == self.file), None)
            return f"has no file {self.file}" if named is None else f"{_HAS_FILE}{self.file}, {self._differs(named)}"
        typed = [one for one in files if self._has_type(one)]
        if not typed:
            types = sorted({one.type for one in files})
            if types == ["source-release"]:
                return "is source only"
            return f"has no {self.selector.type} ({_list(types) or 'no files at all'})"
        packed = [one for one in typed if self._has_format(one)]
        if not packed:
            return f"comes as {_list(sorted({one.format for one in typed}), 'and')} only"
        flagged = [one for one in packed if self._has_flags(one)]
        what = self.selector.format or self.selector.type
        if not flagged:
            if self.flags:
                return f"has no {what} with {_list(sorted(self.flags), 'and')}"
            return f"has {what} with {_list(sorted({'+'.join(sorted(one.flags)) for one in packed}), 'or')} only"
        missing = next(
            (name for name, value in self.values.items() if all(one.values.get(name) != value for one in flagged)),
            None,
        )
        if missing is None:
            return f"has no {what} with {_list([f'{name}={value}' for name, value in self.values.items()], 'and')}"
        there = sorted({one.values[missing] for one in flagged if missing in one.values})
        return f"has no {what} with {missing}={self.values[missing]} ({_list(there) or 'its files name none'})"

    def _differs(self, named: Candidate) -> str:
        """What else is asked of the file that is asked for by name, and that it is not."""
        if self.selector.type not in {"", "source-release", named.type}:
            return f"which is a {named.type} and no {self.selector.type}"
        if not self._has_format(named):
            return f"which has the format {named.format} and not {self.selector.format}"
        missing = self.flags - named.flags
        if missing:
            return f"which is not {_list(sorted(missing), 'and')}"
        name = next(name for name, value in self.values.items() if named.values.get(name) != value)
        there = f"has {name}={named.values[name]} and not" if name in named.values else "does not have"
        return f"which {there} {name}={self.values[name]}"

    @property
    def noun(self) -> str:
        """The file asked for, with an article: ``an exe``, ``an embed zip (arch=arm64)``."""
        if self.file is not None:
            return f"the file {self.file}"
        words = [*sorted(self.flags), self.selector.format or self.selector.type or "file"]
        article = "an" if words[0][0] in "aeiou" or words[0] in {"xz", "msi"} else "a"
        values = _list([f"{name}={value}" for name, value in self.values.items()])
        return f"{article} {' '.join(words)}{f' ({values})' if values else ''}"


def _plain_first(files: Sequence[Candidate], named: Mapping[str, str]) -> tuple[Candidate, ...]:
    """Without those that differ from another one by having been packaged again only, unless that was asked for."""
    kept = list(files)
    for key in _REPACKAGED:
        if key in named:
            continue
        plain = {_identity(one) for one in kept if key not in one.values}
        kept = [one for one in kept if key not in one.values or _identity(one) not in plain]
    return tuple(kept)


def _identity(one: Candidate) -> tuple[object, ...]:
    values = tuple(sorted((key, value) for key, value in one.values.items() if key not in _REPACKAGED))
    return one.type, one.format, one.flags, values


def _ambiguous(wish: _Wish, version: Version, taken: Sequence[Candidate]) -> ResolutionError:
    ways = [_way_to(wish, one, taken) for one in taken]
    words = list(dict.fromkeys(word for word, _ in ways))
    shown = [f"{_shown(one.filename)}: {word}" for one, (word, _) in zip(taken, ways, strict=True)][:_MOST_LINES]
    if len(taken) > len(shown):
        shown.append(f"and {len(taken) - len(shown)} more")
    return ResolutionError(
        f"{wish.selector} matches {len(taken)} files of {version}; they differ by {_list(words[:_MOST_LINES], 'or')}",
        details=shown,
        hint=f"name one, as in {ways[0][1]}",
    )


def _way_to(wish: _Wish, one: Candidate, taken: Sequence[Candidate]) -> tuple[str, Selector]:
    """What to add to the selector so that it means ``one`` of ``taken`` alone, and the selector with it."""
    selector = wish.selector
    parts: list[str] = []
    if len({other.format for other in taken}) > 1 and not selector.format:
        selector = replace(selector, format=one.format)
        parts.append(one.format)
    for name in _TELLING:
        value = one.values.get(name)
        if name in wish.values or value is None:
            continue
        if any(other.values.get(name) != value for other in _Wish.of(selector).narrow(taken)):
            selector = _with_option(selector, name, value)
            parts.append(f"{name}={value}")
    if _Wish.of(selector).narrow(taken) == (one,):
        return ":".join(parts), selector
    return f"file={_shown(one.filename)}", _with_option(replace(wish.selector, format=""), "file", one.filename)


def _with_option(selector: Selector, name: str, value: str) -> Selector:
    return replace(selector, options=tuple(sorted({**dict(selector.options), name: value}.items())))


def _no_match(
    wish: _Wish,
    passed: Mapping[Version, str],
    nearby: Callable[[Selector], Batches] | None,
    remarks: Callable[[], Sequence[str]],
) -> ResolutionError:
    beside: Mapping[Version, str] = {}
    clauses: list[str] = []
    failure: list[str] = []
    # Where the file that is asked for by name is found, releases without it explain nothing.
    passed = {version: reason for version, reason in passed.items() if reason.startswith(_HAS_FILE)} or passed
    hint = _hint(wish, passed)
    if nearby is not None and wish.file is None:
        wider = _wider(wish, passed)
        line = wider.selector.spec.removesuffix(".*").replace("latest", "release")
        try:
            near, beside = _nearest(wider, nearby(wider.selector))
        except DlmError as error:
            failure.append(f"looking further failed: {error}")
        else:
            if near is not None:
                clauses.append(f"newest {line} with {wish.noun} is {near}")
                hint = hint or f"ask for one that has it, as in {wider.selector}"
            elif beside and not passed:
                clauses.append(f"the newest {line} is {max(beside)}")
    details: list[str] = []
    if passed:
        sentences = _ranges({**beside, **passed})
        clauses.extend(sentences[:2])
        if len(sentences) > 2:
            details.extend(sentences[:_MOST_LINES])
        looked = sorted(passed)
        span = str(looked[0]) if len(looked) == 1 else f"{len(looked)} from {looked[0]} to {looked[-1]}"
        details.append(f"looked at: {span}")
    else:
        clauses.insert(0, "there is no such release")
    return ResolutionError(
        f"nothing matches {wish.selector}: {'; '.join(clauses)}",
        details=[*details, *failure, *remarks()[:_MOST_LINES]],
        hint=hint or "see what there is with dlm python versions",
    )


def _hint(wish: _Wish, passed: Mapping[Version, str]) -> str | None:
    """The edit that lets the newest version through that fails by one thing only."""
    for version, reason in passed.items():
        if reason == "is a pre-release":
            return f"let pre-releases count, as in {_with_option(wish.selector, 'pre', '')}"
        if reason == "was withdrawn":
            return f"name it exactly if it is really meant, as in {replace(wish.selector, spec=f'=={version}')}"
    for reason in passed.values():
        if reason.startswith(_HAS_FILE):
            options = tuple(one for one in wish.selector.options if one[0] in {"all", "file", "pre"})
            return f"its name says it all, as in {replace(wish.selector, type='', format='', options=options)}"
        if reason.startswith("comes as "):
            there = reason.removeprefix("comes as ").removesuffix(" only")
            return f"name a format that there is ({there}), as in {replace(wish.selector, format=there.split()[-1])}"
    return None


def _wider(wish: _Wish, passed: Mapping[Version, str]) -> _Wish:
    """The wish, asked of the whole line instead: that of the newest version looked at, else of the one named."""
    newest = max(passed, default=None) or wish.spec.exact
    spec = "latest" if newest is None else f"{newest.major}.{newest.minor}.*"
    options = tuple((name, value) for name, value in wish.selector.options if name != "all")
    return _Wish.of(replace(wish.selector, spec=spec, options=options))


def _nearest(wider: _Wish, batches: Batches) -> tuple[Version | None, dict[Version, str]]:
    """The newest version that has the file, within reason, and why the ones before it have not."""
    reasons: dict[Version, str] = {}
    most = _FEW_NEARBY if wider.selector.spec == "latest" else _MOST_NEARBY
    for version, files in _versions(islice(batches, most)):
        taken, reason = wider.look(version, files)
        if taken:
            return version, reasons
        if reason is not None:
            reasons[version] = reason
    return None, reasons


_PLURAL = (("is a pre-release", "are pre-releases"), ("is ", "are "), ("has ", "have "), ("was ", "were "),
           ("comes ", "come "))  # fmt: skip


def _ranges(reasons: Mapping[Version, str]) -> list[str]:
    """One sentence for each run of neighbouring versions with one reason, newest run first."""
    runs: list[tuple[Version, Version, str]] = []
    for version in sorted(reasons):
        reason = reasons[version]
        if runs and runs[-1][2] == reason:
            runs[-1] = (runs[-1][0], version, reason)
        else:
            runs.append((version, version, reason))
    return [
        f"{first} {reason}" if first == last else f"{first} to {last} {_plural(reason)}"
        for first, last, reason in reversed(runs)
    ]


def _plural(reason: str) -> str:
    for singular, plural in _PLURAL:
        if reason.startswith(singular):
            return plural + reason.removeprefix(singular)
    return reason


def _list(words: Sequence[str], last: str = "") -> str:
    if last and len(words) > 1:
        return f"{', '.join(words[:-1])} {last} {words[-1]}"
    return ", ".join(words)


def _shown(text: str) -> str:
    """A name from somewhere else, for a message: printable and of bearable length."""
    cut = text if len(text) <= 120 else f"{text[:119]}…"
    return cut if cut.isprintable() else cut.encode("unicode_escape").decode()
