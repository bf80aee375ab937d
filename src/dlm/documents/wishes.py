"""From a resource as written to the resource in its one normal form: names, defaults, digests, destinations."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial

from dlm.model.body import Body, Part
from dlm.model.digest import Digest, Digests
from dlm.model.evidence_wish import EvidenceWish, WishError
from dlm.model.extract import Extract
from dlm.model.frozen import dataclass, replace
from dlm.model.manifest import NAME, FileWish, Resource, Variant, fill, holes, implied_vars
from dlm.model.paths import check_filename, check_path
from dlm.model.platforms import check_platform
from dlm.model.request import RequestWish, canonical_json, pairs_of
from dlm.model.selector import Grammar, Selector
from dlm.model.url import REFERENCE, Url, secret_parameters
from dlm.model.written import DefaultsForm, ResourceForm

__all__ = ["Complaint", "Wishes", "asks"]

#: (path below the resource, what is wrong, what would be right)
Complaint = Callable[[tuple[str | int, ...], str, str | None], None]

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_HEADER_VALUE = re.compile(r"[\x20-\x7e\x80-\xff]*\Z")
_SECRET_HEADER = re.compile(r"auth|token|key|secret|cookie|password|credential|signature", re.IGNORECASE)
# What dlm sends itself, or what would break the framing or the resuming of a transfer.
_OWN_HEADERS = frozenset({
    "accept-encoding", "connection", "content-length", "content-type", "expect", "host", "if-match",
    "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "keep-alive", "proxy-authorization",
    "proxy-connection", "range", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
_RESERVED_VARIANT_KEYS = frozenset({"url", "sha256", "digests", "integrity", "size"})
_KINDS = ("url", "selector", "base")
_LOGIN = "https://${DLM_AUTH_USER}:${DLM_AUTH_PASSWORD}@host/"


@dataclass(frozen=True, slots=True)
class _Address:
    """A checked address: its text without literal credentials, and these."""

    text: str
    userinfo: str | None


class Wishes:
    """Reads one resource after the other; complaints and warnings are collected, nothing is raised."""

    def __init__(
        self,
        defaults: DefaultsForm,
        grammars: Mapping[str, Grammar],
        warn: Callable[[str], None],
        complain: Complaint,
    ) -> None:
        self._defaults = _checked_defaults(defaults, complain)
        self._grammars = grammars
        self._warn = warn

    def short(self, text: str, complain: Complaint) -> Resource | None:
        """A resource from its short form: a URL or a selector."""
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text.strip()) or text.lower().startswith(("http:", "https:")):
            return self.long(ResourceForm(url=text), complain)
        return self.long(ResourceForm(selector=text), complain)

    def long(self, form: ResourceForm, complain: Complaint) -> Resource | None:
        """A resource from its long form, or None where a complaint was made."""
        reading = _Reading(form, self._defaults, self._grammars, complain)
        resource = reading.resource()
        if reading.failed or resource is None:
            return None
        for warning in _warnings(resource):
            self._warn(f"{resource.name}: {warning}")
        return resource


def asks(form: ResourceForm) -> bool:
    """Whether a resource says what is wanted."""
    return any(getattr(form, kind) is not None for kind in _KINDS)


def _checked_defaults(given: DefaultsForm, complain: Complaint) -> DefaultsForm:
    """The defaults without those that cannot be, so that no resource repeats the complaint."""
    fit = given
    for key, check in (("dest", _check_dest), ("groups", _check_groups), ("platforms", _check_platforms)):
        value = getattr(given, key)
        try:
            if value is not None:
                check(value)
        except ValueError as error:
            complain((key,), str(error), None)
            fit = replace(fit, **{key: None})
    return fit


def _check_dest(dest: str) -> None:
    check_path(dest)


def _check_groups(groups: Iterable[str]) -> None:
    for group in groups:
        check_group(group)


def _check_platforms(platforms: Collection[str]) -> None:
    if not platforms:
        raise ValueError("no platform is named")
    if len(set(platforms)) != len(platforms):
        raise ValueError("a platform is named twice")
    for platform in platforms:
        check_platform(platform)


def check_group(group: str) -> None:
    """Raise ValueError unless ``group`` can be a group's name."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", group):
        raise ValueError(f"{group!r} is no group name; use letters, digits, dots and dashes")


class _Reading:
    """One resource on its way; ``failed`` tells whether anything was wrong with it."""

    def __init__(
        self, form: ResourceForm, defaults: DefaultsForm, grammars: Mapping[str, Grammar], complain: Complaint
    ) -> None:
        self._form = form
        self._defaults = defaults
        self._grammars = grammars
        self._complain = complain
        self.failed = False

    def resource(self) -> Resource | None:
        form = self._form
        given = [kind for kind in _KINDS if getattr(form, kind) is not None]
        if len(given) != 1:
            wants = "exactly one of url, selector and base says what is wanted"
            self._wrong((given[1] if given else "",), f"{wants}; {' and '.join(given) if given else 'none'} given")
            return None
        self._check_company(given[0])
        selector = self._selector()
        values = dict(form.vars or {})
        for key in values:
            if holes(f"{{{key}}}") != (key,):
                self._wrong(("vars", key), f"{key!r} is no name of a variable; use letters, digits, _ and -")
        if form.version is not None:
            values["version"] = form.version
        variants = self._variants(given[0])
        samples = [{**values, **one.vars} for one in variants]
        if not samples and not form.platforms:
            samples = [values]  # where none of the platforms is one, nobody knows what fills the addresses
        # A platform with an address of its own need not be able to fill the other one.
        filling = [sample for one, sample in zip(variants, samples, strict=False) if one.url is None] or samples
        address = self._address(("url",), form.url, filling)
        base = self._address(("base",), form.base, samples, folder=True)
        digests = self._digests((), form.sha256, form.digests, form.integrity)
        size = self._size(("size",), form.size)
        files = self._files()
        dest = self._dest(form.dest if form.dest is not None else self._defaults.dest)
        mirrors = tuple(
            checked
            for index, mirror in enumerate(form.mirrors or [])
            if (checked := self._mirror(("mirrors", index), mirror, samples, folder=base is not None)) is not None
        )
        headers, groups = self._headers(), self._groups()
        ask = self._ask()
        evidence = self._evidence(filling if selector is None else [{"version": "0"}])
        extract = self._extract()
        if self.failed:
            return None
        names = _filenames(address.text, variants, samples) if address is not None else []
        name = self._name(selector, names, dest)
        if name is None:
            return None
        if extract is not None:
            self._check_extract(extract, [*names, *(file.name for file in files)], dest)
        if address is not None:
            self._check_filenames(names, dest, extract)
        if base is not None and not (dest == "" or dest.endswith("/")):
            self._wrong(("dest",), "many files need a folder", f"{dest}/")
        elif base is not None:
            self._check_places(files, dest, extract)
        found = address or base
        return Resource(
            name=name,
            url=address.text if address else None,
            selector=str(selector) if selector else None,
            base=base.text if base else None,
            files=files,
            version=form.version,
            vars=dict(form.vars or {}),
            platforms=variants,
            digests=digests,
            size=size,
            mirrors=mirrors,
            headers=headers,
            ask=ask,
            evidence=evidence,
            userinfo=found.userinfo if found else None,
            dest=dest,
            extract=extract,
            executable=bool(form.executable if form.executable is not None else self._defaults.executable),
            link=form.link if form.link is not None else self._defaults.link,
            groups=groups,
            optional=bool(form.optional),
            mutable=bool(form.mutable),
            freeze=bool(form.freeze),
        )

    def _wrong(self, path: tuple[str | int, ...], message: str, hint: str | None = None) -> None:
        self.failed = True
        self._complain(tuple(part for part in path if part != ""), message, hint)

    def _check_company(self, kind: str) -> None:
        """Keys that make no sense beside each other."""
        form = self._form
        alone = {
            "selector": (
                "version",
                "vars",
                "platforms",
                "sha256",
                "digests",
                "integrity",
                "size",
                "mutable",
                "files",
                "request",
            ),
            "base": ("sha256", "digests", "integrity", "size", "platforms", "request"),
            "url": ("files",),
        }
        reasons = {
            "selector": "does not go with a selector, which says itself what it means",
            "base": "does not go with base; each of its files has its own",
            "url": "goes with base, not with url",
        }
        for key in alone[kind]:
            if getattr(form, key) is not None:
                self._wrong((key,), f"{key} {reasons[kind]}")
        if kind == "base" and not form.files:
            self._wrong(
                ("files",) if form.files is not None else (),
                "base needs files: the names of what is below it",
            )

    def _ask(self) -> RequestWish:
        """Method, query and body."""
        form = self._form.request
        if form is None:
            return RequestWish()
        bodies = [name for name in ("form", "json", "multipart") if getattr(form, name) is not None]
        if len(bodies) > 1:
            self._wrong(("request", bodies[1]), f"a request has one body, and {bodies[0]} is given too")
            return RequestWish()
        if bodies and form.method == "GET":
            self._wrong(("request", "method"), "a GET sends no body", "write POST, or put the fields under query")
        if bodies and self._form.mirrors:
            self._wrong(("mirrors",), "a body goes to its own origin alone, so mirrors do not go with one")
        method = form.method or ("POST" if bodies else "GET")
        try:
            query = pairs_of(form.query or {})
            fields = pairs_of(form.form) if form.form is not None else None
        except ValueError as error:
            self._wrong(("request",), str(error))
            return RequestWish()
        body: Body | None = None
        if fields is not None:
            body = Body(form=fields)
        elif form.json is not None:
            body = Body(json=canonical_json(form.json))
        elif form.multipart is not None:
            body = Body(parts=tuple(Part(name=name, text=text) for name, text in form.multipart.items()))
        wish = RequestWish(method=method, query=query, body=body)
        secrets = secret_parameters(wish.query_text())
        if secrets:
            self._wrong(
                ("request", "query", secrets[0]),
                "a literal secret, which would end in the lockfile",
                f"put it into the environment and write ${{{_variable(secrets[0])}}}",
            )
        return wish

    def _evidence(self, samples: Iterable[Mapping[str, str]]) -> EvidenceWish:
        """What has to vouch for the bytes; its addresses are checked as the resource's own is."""
        form = self._form.evidence
        if form is None:
            return EvidenceWish()
        try:
            wish = EvidenceWish.from_mapping(form)
        except WishError as error:
            for key, message in error.problems:
                self._wrong(("evidence", *key.split(".")), message)
            return EvidenceWish()
        checked: dict[str, str] = {}
        for kind, name, text in wish.addresses:
            at = ("evidence", kind) if isinstance(form.get(kind), str) else ("evidence", kind, name)
            if self._form.base is not None and name in {"bundle", "signature"}:
                self._wrong(
                    at, "one address cannot serve all files below base", "leave it out: each has its own beside it"
                )
                continue
            address = self._address(at, text, samples)
            if address is not None and address.userinfo:
                self._wrong(at, "credentials of a sidecar come from the environment", _LOGIN)
            elif address is not None:
                checked[text] = address.text
        return wish.with_addresses(checked)

    def _extract(self) -> Extract | None:
        """What becomes of archives."""
        form = self._form.extract
        if not form:
            return None
        if form is True:
            return Extract()
        if form.include is not None and not form.include:
            self._wrong(("extract", "include"), "nothing is included", "leave include: out to take everything")
            return None
        try:
            return Extract(
                strip=form.strip or 0,
                include=tuple(form.include or ()),
                exclude=tuple(form.exclude or ()),
                member=form.member,
            )
        except ValueError as error:
            self._wrong(("extract",), str(error))
            return None

    def _check_extract(self, extract: Extract, names: Sequence[str], dest: str) -> None:
        """What does not go with archives. A selector's file has no name yet; such a file is an archive."""
        if self._form.link is not None:
            self._wrong(("link",), "what comes out of an archive is written anew, so there is nothing to link",
                        "leave link: out")  # fmt: skip
        archives = sum(extract.shape(name.rpartition("/")[2]) == "folder" for name in names or [""])
        if not archives:
            return
        if dest == "":
            self._wrong(("dest",), "an archive becomes a folder of its own, which dest must name", "dest: FOLDER/")
        if self._form.base is not None and archives > 1:
            self._wrong(("extract",), "several archives cannot become one folder", "give each a resource of its own")
        if self._form.executable:
            self._wrong(("executable",), "the archive says which of its files may be run", "leave executable: out")

    def _selector(self) -> Selector | None:
        if self._form.selector is None:
            return None
        try:
            return Selector.parse(self._form.selector, self._grammars)
        except ValueError as error:
            self._wrong(("selector",), str(error), _address_hint(self._form.selector))
            return None

    def _address(
        self,
        path: tuple[str | int, ...],
        text: str | None,
        samples: Iterable[Mapping[str, str]],
        *,
        folder: bool = False,
    ) -> _Address | None:
        """Check a URL by filling its template for every platform; the text kept is the template."""
        if text is None:
            return None
        text = text.strip()
        url: Url | None = None
        try:
            for values in samples:
                url = Url.parse(fill(text, values))
        except ValueError as error:
            self._wrong(path, str(error), _address_hint(text))
            return None
        if url is None:
            return None
        secrets = secret_parameters(url.query)
        if secrets:
            self._wrong(
                path,
                f"the query holds a literal secret ({', '.join(secrets)}), which would end in the lockfile",
                f"put it into the environment and write {secrets[0]}=${{{_variable(secrets[0])}}}",
            )
            return None
        if folder and url.query is not None:
            self._wrong(path, "an address of many files has no query, which none of them would get")
            return None
        if folder and not url.path.endswith("/"):
            self._wrong(path, "an address of many files ends in a slash", f"{text}/")
            return None
        if url.userinfo and REFERENCE.search(url.userinfo) and REFERENCE.sub("", url.userinfo.partition(":")[2]):
            self._wrong(path, "the password is a literal beside a variable, and would end in the lockfile", _LOGIN)
            return None
        if holes(text):
            return _Address(*_without_literal_userinfo(text, url))
        if url.userinfo and not REFERENCE.search(url.userinfo):
            return _Address(str(url), url.userinfo)
        kept = f"{url.scheme}://{url.userinfo}@{str(url).partition('://')[2]}" if url.userinfo else str(url)
        return _Address(kept, None)

    def _mirror(
        self, path: tuple[str | int, ...], text: str, samples: Iterable[Mapping[str, str]], *, folder: bool
    ) -> str | None:
        address = self._address(path, text, samples, folder=folder)
        if address is not None and address.userinfo:
            self._wrong(path, "credentials of a mirror come from the environment", _LOGIN)
        return address.text if address is not None else None

    def _variants(self, kind: str) -> tuple[Variant, ...]:
        declared = self._form.platforms
        inherited = declared is None and kind == "url"
        platforms = self._defaults.platforms if inherited else declared
        if platforms is None:
            return ()
        if not platforms:
            self._wrong(("platforms",), "no platform is named")
            return ()
        named: Mapping[str, Mapping[str, str | int | dict[str, str]]]
        named = platforms if isinstance(platforms, dict) else {name: {} for name in platforms}
        if not isinstance(platforms, dict) and len(named) != len(platforms):
            self._wrong(("platforms",), "a platform is named twice")
        found = [self._variant(name, one) for name, one in named.items()]
        if found and (self._form.sha256 or self._form.digests or self._form.integrity or self._form.size is not None):
            differs = any(one.vars != implied_vars(one.platform) or one.url for one in found if one) or any(
                hole in {"os", "arch"} for hole in holes(self._form.url or "")
            )
            if differs:
                self._wrong(("platforms",), "each platform has its own bytes, so digest and size stand below it")
        return tuple(one for one in found if one is not None)

    def _variant(self, name: str, given: Mapping[str, str | int | dict[str, str]]) -> Variant | None:
        at = ("platforms", name)
        try:
            check_platform(name)
        except ValueError as error:
            self._wrong(at, str(error))
            return None
        words: dict[str, str] = {}
        for key, value in given.items():
            if key in _RESERVED_VARIANT_KEYS:
                continue
            if not isinstance(value, str):
                self._wrong((*at, key), "expected text", "write it in quotes")
                continue
            if not self._fills(key, given.get("url")):
                near = difflib.get_close_matches(key, _RESERVED_VARIANT_KEYS, n=1, cutoff=0.6)
                hint = f"did you mean {near[0]!r}?" if near else None
                self._wrong((*at, key), f"{key!r} fills nothing: no address of this platform holds {{{key}}}", hint)
            words[key] = value
        texts: dict[str, str | None] = {}
        for key in ("url", "sha256", "integrity"):
            value_of = given.get(key)
            if value_of is not None and not isinstance(value_of, str):
                self._wrong((*at, key), "expected text", "write it in quotes")
                value_of = None
            texts[key] = value_of
        many = given.get("digests")
        if many is not None and not isinstance(many, dict):
            self._wrong((*at, "digests"), "expected algorithm: digest")
            many = None
        size = given.get("size")
        if size is not None and not isinstance(size, int):
            self._wrong((*at, "size"), "expected a whole number of bytes")
            size = None
        url = None
        values = dict(self._form.vars or {})
        if self._form.version is not None:
            values["version"] = self._form.version
        values.update({**implied_vars(name), **words})
        if texts["url"] is not None:
            address = self._address((*at, "url"), texts["url"], [values])
            if address is not None and address.userinfo:
                self._wrong((*at, "url"), "credentials of one platform's own address come from the environment", _LOGIN)
            url = address.text if address else None
        return Variant(
            platform=name,
            vars={**implied_vars(name), **words},
            url=url,
            digests=self._digests(at, texts["sha256"], many, texts["integrity"]),
            size=self._size((*at, "size"), size),
        )

    def _fills(self, name: str, url: object) -> bool:
        """Whether a platform's variable stands in one of its addresses; if not, it is a misspelt key."""
        own = url if isinstance(url, str) else self._form.url or ""
        sidecars = [one for one in (self._form.evidence or {}).values() if isinstance(one, str)]
        return any(name in holes(one) for one in (own, *(self._form.mirrors or ()), *sidecars))

    def _digests(
        self,
        at: tuple[str | int, ...],
        sha256: str | None,
        many: Mapping[str, str] | None,
        integrity: str | None,
    ) -> Digests:
        found: list[Digest] = []
        given: list[tuple[tuple[str | int, ...], Callable[[], Digest]]] = []
        if sha256 is not None:
            given.append(((*at, "sha256"), partial(_sha256, sha256)))
        for algorithm, value in (many or {}).items():
            given.append(((*at, "digests", algorithm), partial(Digest.from_hex, algorithm, value)))
        if integrity is not None:
            words = integrity.split()
            given.extend(((*at, "integrity"), partial(Digest.from_integrity, word)) for word in words)
            if not words:
                self._wrong((*at, "integrity"), "empty", "write sha256-BASE64")
        for path, make in given:
            try:
                found.append(make())
            except ValueError as error:
                self._wrong(path, str(error))
        try:
            return Digests.of(found)
        except ValueError as error:
            self._wrong(at, str(error))
            return Digests()

    def _size(self, path: tuple[str | int, ...], size: int | None) -> int | None:
        if size is None:
            return None
        if size < 0 or size >= 2**63:
            self._wrong(path, f"a size is a number of bytes from 0 to 2^63 - 1, not {size}")
            return None
        return size

    def _files(self) -> tuple[FileWish, ...]:
        files = self._form.files
        if files is None:
            return ()
        named: Mapping[str, str | None] = files if isinstance(files, dict) else dict.fromkeys(files)
        if len(named) != len(files):
            self._wrong(("files",), "a file is named twice")
        found = []
        for name, digest in named.items():
            try:
                checked = check_path(name)
                if not checked or checked.endswith("/"):
                    raise ValueError(f"{name!r} names no file")
                digests = Digests() if digest is None else Digests((Digest.parse(digest),))
            except ValueError as error:
                self._wrong(("files", name), str(error))
                continue
            found.append(FileWish(name=checked, digests=digests))
        return tuple(found)

    def _check_places(self, files: Iterable[FileWish], folder: str, extract: Extract | None) -> None:
        for file in files:
            above, slash, last = file.name.rpartition("/")
            try:
                if extract is not None and extract.shape(last) == "file":
                    last = extract.file_name(last)
                check_path(folder + above + slash + last)
            except ValueError as error:
                self._wrong(("files", file.name), str(error))

    def _dest(self, dest: str | None) -> str:
        if dest is None:
            return ""
        try:
            return check_path(dest)
        except ValueError as error:
            self._wrong(("dest",) if self._form.dest is not None else (), str(error))
            return ""

    def _headers(self) -> dict[str, str]:
        headers = self._form.headers or {}
        seen: set[str] = set()
        for name, value in headers.items():
            lower = name.lower()
            if not _HEADER_NAME.match(name):
                self._wrong(("headers", name), f"{name!r} is no header name")
            elif lower in _OWN_HEADERS:
                self._wrong(("headers", name), f"dlm sends {name} itself")
            elif lower in seen:
                self._wrong(("headers", name), f"{name} is given twice")
            elif not _HEADER_VALUE.match(value):
                self._wrong(("headers", name), "a header value has no line breaks, no control characters and no letters"
                            " beyond Latin-1")  # fmt: skip
            seen.add(lower)
        return headers

    def _groups(self) -> tuple[str, ...]:
        groups = self._form.groups if self._form.groups is not None else self._defaults.groups or []
        for index, group in enumerate(groups):
            try:
                check_group(group)
            except ValueError as error:
                self._wrong(("groups", index), str(error))
        return tuple(sorted(set(groups)))

    def _name(self, selector: Selector | None, filenames: Sequence[str], dest: str) -> str | None:
        name = self._form.name
        if name is not None:
            if not _can_name(name):
                self._wrong(("name",), f"{name!r} is no name: no blanks at its start, no slash, no control characters")
                return None
            return name
        if selector is not None:
            if not _can_name(selector.slug):
                self._need_name("the selector is too long to name the resource")
                return None
            return selector.slug
        if not filenames:
            self._need_name("many files below one address need a name")
            return None
        if len(set(filenames)) > 1:
            self._need_name("the platforms' files have different names, so the resource needs one")
            return None
        name = filenames[0] or ("" if dest.endswith("/") else dest.rsplit("/", 1)[-1])
        if not name:
            self._need_name("the URL's path ends in no file name, so the resource needs a name and a dest")
            return None
        if not _can_name(name):
            self._need_name(f"the file's name {name!r} cannot name the resource")
            return None
        return name

    def _need_name(self, why: str) -> None:
        self._wrong((), why, "add name: …")

    def _check_filenames(self, filenames: Iterable[str], dest: str, extract: Extract | None) -> None:
        if dest and not dest.endswith("/"):
            return  # the destination names the file
        for name in filenames:
            if extract is not None and (not name or extract.shape(name) == "folder"):
                continue  # the destination names the folder, or the member the file
            if not name:
                self._wrong(("url",), "the URL's path ends in no file name, so dest must name the file",
                            f"dest: {dest}NAME")  # fmt: skip
                return
            try:
                checked = check_filename(name)
                check_path(dest + (checked if extract is None else extract.file_name(checked)))
            except ValueError as error:
                self._wrong(("url",), str(error), f"name the file with dest: {dest}NAME")
                return


def _can_name(name: str) -> bool:
    return NAME.match(name) is not None and name.isprintable()


def _filenames(url: str, variants: Sequence[Variant], samples: Sequence[Mapping[str, str]]) -> list[str]:
    """What the file is called, for each platform where there are several."""
    templates = [one.url or url for one in variants] or [url]
    return [Url.parse(fill(one, values)).filename for one, values in zip(templates, samples, strict=True)]


def _variable(parameter: str) -> str:
    return f"DLM_AUTH_{re.sub('[^A-Z0-9]', '_', parameter.upper())}"


def _sha256(text: str) -> Digest:
    digest = Digest.parse(text)
    if digest.algorithm != "sha256":
        raise ValueError(f"this is a {digest.algorithm} digest; write it under digests:")
    return digest


def _without_literal_userinfo(template: str, url: Url) -> tuple[str, str | None]:
    if not url.userinfo or REFERENCE.search(url.userinfo):
        return template, None
    scheme, _, rest = template.partition("://")
    return f"{scheme}://{rest.partition('@')[2]}", url.userinfo


def _address_hint(text: str) -> str | None:
    if text.startswith("file:"):
        return "a local file needs no lockfile; file: addresses stand in settings only"
    if re.match(r"(?:www\.|[a-z0-9-]+\.[a-z]{2,}/)", text):
        return f"did you mean https://{text}?"
    return None


def _warnings(resource: Resource) -> Iterable[str]:
    if resource.userinfo:
        yield "the URL holds credentials; they are used but stored nowhere; write ${DLM_AUTH_…} instead"
    for name, value in resource.headers.items():
        if _SECRET_HEADER.search(name) and REFERENCE.sub("", value).strip().lower() not in _SCHEMES:
            yield f"the header {name} holds a literal; it is used but stored nowhere; write ${{DLM_AUTH_…}} instead"
    address = resource.url or resource.base or ""
    if address.startswith("http://") and not _pinned(resource) and not _LOOPBACK.match(address):
        yield "plain http and no digest, so anyone on the way can choose the bytes; use https, or pin a sha256"


# What may stand beside a reference in the value of a header that carries a secret.
_SCHEMES = frozenset({"", "bearer", "basic", "token"})
_LOOPBACK = re.compile(r"http://(?:[^/@]*@)?(?:localhost|127\.[0-9.]+|\[::1\])(?:[:/]|\Z)")


def _pinned(resource: Resource) -> bool:
    parts = [one.digests for one in resource.platforms] or [one.digests for one in resource.files]
    return bool(resource.digests) or (bool(parts) and all(parts))
