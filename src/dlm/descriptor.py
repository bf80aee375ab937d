"""``Descriptor``: all that describes one download, as a mapping."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from dlm.errors import SettingsError, UsageError
from dlm.model.artifact import Artifact
from dlm.model.body import Body, Part
from dlm.model.disposition import safe_name
from dlm.model.download import WITHHELD, Ask, ask_key, shown_headers, shown_url
from dlm.model.request import RequestWish, canonical_json, pairs_of
from dlm.model.suggest import suggest
from dlm.model.url import Url, secret_parameters

__all__ = ["Descriptor"]

StrPath = str | os.PathLike[str]

#: What a request is made of.
_REQUEST = ("url", "query", "post", "json", "multipart", "headers")
#: How it is carried out.
_CARRIAGE = ("timeout", "connecttimeout", "retries", "cainfo", "followlocation", "ssl_verifypeer", "ssl_verifyhost")
#: What follows from the others, taken where a descriptor is made of another one's items.
_DERIVED = ("baseurl", "qs")
_KNOWN = (*_REQUEST, *_CARRIAGE, *_DERIVED)
#: Parameters of one library alone, of which neither files nor records may depend.
_LIBRARYS = frozenset(
    {"tcp_keepalive", "tcp_keepidle", "tcp_keepintvl", "http_version", "ssl_enable_alpn", "ignore_content_length"}
)


class Descriptor(Mapping[str, Any]):
    """What to ask for, and how: a mapping in which a key that is missing is None.

    Args:
        url: an http or https address; it may have a query, to which ``query`` is added.
        fname: a YAML or JSON file with these parameters; what is given beside it counts before it.
        query: fields, as a mapping; a list gives one pair for each of its values. They are the URL's query, or with
            ``post`` the form, or with ``json`` the JSON document (which may be a list then).
        post: send ``query`` as a form.
        json: send ``query`` as JSON.
        multipart: fields of a ``multipart/form-data`` body. A ``Path``, an absolute path of a file as text, bytes, or
            a file that is open for reading bytes is sent as a file; any other text is a text. Implies ``post``.
        headers: a mapping, or ``"Name: value"`` texts.
        timeout: seconds without enough progress after which an attempt is given up.
        connecttimeout: seconds to reach the server, and again to the first line of its answer.
        retries: how often it is asked at most, in all.
        cainfo: certificates to trust instead of the system's, a PEM file.

    ``followlocation``, ``ssl_verifypeer`` and ``ssl_verifyhost`` may be given as what they are: true.

    Raises:
        UsageError: no URL, or one that cannot be asked for; a header or a body that cannot be sent.
        SettingsError: a parameter that is not known, or may not have that value.
    """

    def __init__(self, url: str | None = None, *, fname: StrPath | None = None, **params: Any) -> None:
        given = {**(_read(fname) if fname is not None else {}), **params}
        for name in given:
            _refuse_unknown(name)
        # The URL of another descriptor, whose items these may be, has its query already.
        base = given.get("baseurl") or url or given.get("url")
        if not isinstance(base, str) or not base:
            raise UsageError("a download needs a URL", hint="give it as the first argument")
        self._parts = _parts(given.get("multipart"))
        self._param: dict[str, Any] = {
            "baseurl": base,
            "query": given.get("query"),
            "post": bool(given.get("post") or given.get("json") or self._parts),
            "json": bool(given.get("json")),
            "multipart": _split(self._parts),
            "headers": _header_lines(given.get("headers"), json=bool(given.get("json"))),
            "followlocation": True,
            **{name: given[name] for name in _CARRIAGE if given.get(name) is not None},
        }
        _check_carriage(self._param)
        self._wish = self._request()
        try:
            address = self._address()
        except ValueError as error:
            raise UsageError(f"the URL cannot be used: {error}", hint="http and https addresses are fetched") from error
        self._param["url"] = str(address)
        if self._wish.query:
            self._param["qs"] = self._wish.query_text()
        self._param = {name: value for name, value in self._param.items() if value is not None and value is not False}

    @classmethod
    def from_file(cls, fname: StrPath, **params: Any) -> Self:
        """From a YAML or JSON file."""
        return cls(fname=fname, **params)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """The descriptor of a download that ``cache_records`` tells of.

        Raises:
            UsageError: something that may be secret was withheld from the record.
        """
        params = dict(record["params"])
        uri = str(record["attrs"].get("_uri") or record["uri"])
        if WITHHELD in f"{params}{uri}":
            raise UsageError(
                "the record of this download withholds what may be a secret", hint="give the parameters themselves"
            )
        return cls(uri, **{name: value for name, value in params.items() if name in _KNOWN})

    def with_changes(self, **params: Any) -> Descriptor:
        """The same with other parameters; None takes one away."""
        given = {name: value for name, value in self._param.items() if name not in {"url", "qs", "multipart"}}
        if self._parts and "multipart" not in params:
            made = Descriptor(**{**given, **params, "post": True})
            made._parts = self._parts
            made._param["multipart"] = self._param["multipart"]
            made._wish = made._request()
            return made
        if "url" in params:
            given["baseurl"] = params.pop("url")
        return Descriptor(**{**given, **params})

    def __getitem__(self, key: str) -> Any:
        return self._param.get(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._param)

    def __len__(self) -> int:
        return len(self._param)

    def __contains__(self, key: object) -> bool:
        return key in self._param

    def __repr__(self) -> str:
        return f"Descriptor({shown_url(self._address())!r})"

    @property
    def headers_dict(self) -> dict[str, str]:
        """The request's headers; the values of a repeated one joined by commas (RFC 9110 5.3)."""
        found: dict[str, str] = {}
        names: dict[str, str] = {}
        for line in self._param["headers"]:
            name, _, value = line.partition(": ")
            name = names.setdefault(name.lower(), name)
            found[name] = f"{found[name]}, {value}" if name in found else value
        return found

    def ask(self) -> Ask:
        """The request as dlm's engine takes it.

        Raises:
            UsageError: it cannot be made.
        """
        url = self._address()
        name = url.filename
        artifact = Artifact(
            resource=safe_name(name, url.host),
            filename=safe_name(name, url.host),
            url=self._address_with_login(),
            dest=safe_name(name),
            headers=self.headers_dict,
            ask=self._wish,
        )
        base = Url.parse(self._param["baseurl"])
        return Ask(
            artifact=artifact,
            key=ask_key(artifact),
            uri=shown_url(base),
            params=self._shown(),
            legacy_uri=self._param["baseurl"],
            legacy_params={"dl_params": self._legacy()},
        )

    # What is sent

    def _request(self) -> RequestWish:
        query = self["query"]
        method = "POST" if self["post"] else "GET"
        try:
            if self["json"]:
                body = Body(json=canonical_json(query if query is not None else {}))
                return RequestWish(method=method, body=body)
            if self._parts:
                fields = tuple(Part(name=name, text=value) for name, value in pairs_of(query or {}))
                return RequestWish(method=method, body=Body(parts=(*fields, *self._parts)))
            pairs = pairs_of(query or {})
        except (ValueError, TypeError, AttributeError) as error:
            raise UsageError(f"query: {error}", hint="give a mapping of names to texts or numbers") from error
        if self["post"]:
            return RequestWish(method=method, body=Body(form=pairs))
        return RequestWish(query=pairs)

    def _address(self) -> Url:
        return Url.parse(self._address_with_login())

    def _address_with_login(self) -> str:
        """The URL with its query; what looks like ``${NAME}`` in it is none."""
        text = str(self._param["baseurl"]).partition("#")[0]
        added = self._wish.query_text().replace("$", "%24") if self._wish.query else ""
        if added:
            joint = "" if text.endswith(("?", "&")) else "&" if "?" in text else "?"
            text = f"{text}{joint}{added}"
        return text.replace("${", "%24%7B")

    # What is noted

    def _shown(self) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        query = self["query"]
        if query and not self["post"]:
            secret = {name.lower() for name in secret_parameters(self._wish.query_text())}
            shown["query"] = {name: WITHHELD if name.lower() in secret else value for name, value in query.items()}
        elif query:
            # A body is where passwords are sent.
            shown["query"] = dict.fromkeys(query, WITHHELD) if isinstance(query, Mapping) else WITHHELD
        for name in ("post", "json"):
            if self[name]:
                shown[name] = True
        if self["multipart"]:
            shown["multipart"] = {kind: dict.fromkeys(parts, WITHHELD) for kind, parts in self["multipart"].items()}
        if self._param["headers"]:
            shown["headers"] = shown_headers(self.headers_dict)
        return shown

    def _legacy(self) -> dict[str, Any]:
        """What the predecessor makes its keys of."""
        found = {name: self[name] for name in ("query", "post", "json") if self[name]}
        if self["multipart"]:
            found["multipart"] = self["multipart"]
        return {**found, "headers": list(self._param["headers"])}


def _refuse_unknown(name: str) -> None:
    if name in _LIBRARYS:
        raise SettingsError(
            f"{name} is a matter of one HTTP library, which dlm decides about itself", hint=f"leave {name} out"
        )
    if name not in _KNOWN:
        known = (*_REQUEST, *_CARRIAGE)
        raise SettingsError(
            f"a download has no parameter {name!r}{suggest(name, known)}", hint=f"known are {', '.join(known)}"
        )


def _check_carriage(params: Mapping[str, Any]) -> None:
    """Refuse what would have to be ignored otherwise."""
    for name in ("ssl_verifypeer", "ssl_verifyhost"):
        if name in params and not params[name]:
            raise SettingsError(
                f"{name} cannot be switched off: anyone on the way could send other bytes",
                hint="give the certificate authority of the server as cainfo (a PEM file)",
            )
    if not params["followlocation"]:
        raise SettingsError("followlocation cannot be switched off", hint="a download ends where redirects lead")
    for name in ("timeout", "connecttimeout", "retries"):
        value = params.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or value < 0):
            raise SettingsError(f"{name} is {value!r}", hint="give a number")


def _read(fname: StrPath) -> dict[str, Any]:
    from dlm.documents.options_file import read_options

    file = os.fspath(fname)
    try:
        data = Path(file).read_bytes()
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}", hint="give a YAML or JSON file") from error
    return read_options(data, file)


def _header_lines(given: Any, *, json: bool) -> list[str]:
    """Headers as ``Name: value``, with the content type of JSON where none is given."""
    lines: list[str] = []
    if isinstance(given, Mapping):
        lines = [f"{name}: {value}" for name, value in given.items()]
    elif isinstance(given, str):
        lines = [given]
    elif given is not None:
        lines = list(given)
    checked: list[str] = []
    for line in lines:
        name, colon, value = str(line).partition(":")
        if not colon or not name.strip():
            raise UsageError("a header is written as Name: value", hint="or give headers as a mapping")
        checked.append(f"{name.strip()}: {value.strip()}")
    if json and not any(line.lower().startswith("content-type:") for line in checked):
        checked.append("Content-Type: application/json")
    return checked


def _parts(given: Any) -> tuple[Part, ...]:
    """The parts of a multipart body; files are read, and closed if they were opened here."""
    if not given:
        return ()
    if not isinstance(given, Mapping):
        raise UsageError("multipart is a mapping of names to texts and files")
    return tuple(_part(str(name), value) for name, value in given.items())


def _part(name: str, value: Any) -> Part:
    if isinstance(value, str) and os.path.isabs(value) and os.path.isfile(value):
        value = Path(value)
    if isinstance(value, os.PathLike):
        path = Path(value)
        try:
            return _file_part(name, path.read_bytes(), path.name)
        except OSError as error:
            raise UsageError(f"multipart: {path} cannot be read: {error.strerror}") from error
    if isinstance(value, bytes):
        return _file_part(name, value, name)
    if hasattr(value, "read"):
        data = value.read()
        if not isinstance(data, bytes):
            raise UsageError(f"multipart: the file of {name} is not open for reading bytes", hint="open it with 'rb'")
        return _file_part(name, data, os.path.basename(str(getattr(value, "name", name))))
    if isinstance(value, bool):
        return Part(name=name, text="true" if value else "false")
    if isinstance(value, str | int | float):
        return Part(name=name, text=str(value))
    raise UsageError(f"multipart: {name} is neither a text nor a file")


def _file_part(name: str, data: bytes, filename: str) -> Part:
    kind = mimetypes.guess_type(filename)[0] or "application/octet-stream"
    return Part(name=name, data=data, filename=filename, content_type=kind)


def _split(parts: tuple[Part, ...]) -> dict[str, dict[str, str]] | None:
    """Texts and files apart; of a file its name."""
    if not parts:
        return None
    return {
        "data": {part.name: part.text for part in parts if part.text is not None},
        "files": {part.name: part.filename or "" for part in parts if part.text is None},
    }
