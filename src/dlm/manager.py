"""``DownloadManager``: one call for one download, for programs that fetch as they run.

The interface is that of the package dlmachine; the work is done by dlm's own fetcher and store. What fails raises a
``dlm.DlmError`` and leaves what was there before untouched. Nothing is printed, and importing this writes nothing.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import IO, TYPE_CHECKING, Any, Literal, Self, cast, overload

from dlm import __version__
from dlm.cli.clock import SystemClock
from dlm.cli.settings import load_settings
from dlm.descriptor import Descriptor
from dlm.errors import SettingsError, UsageError
from dlm.model.digest import STRENGTH
from dlm.model.download import shown_url
from dlm.model.events import Fetched, Progress
from dlm.model.frozen import dataclass, field, replace
from dlm.model.suggest import suggest
from dlm.model.url import Url
from dlm.workflows.download import Line, Means, ToCache, obtain, to_file, to_memory

if TYPE_CHECKING:
    from dlm.cli.progress import BarMeter
    from dlm.fetch.fetcher import HttpFetcher
    from dlm.model.download import Ask, CheckMethod, Kept
    from dlm.model.events import Event
    from dlm.model.settings import Settings
    from dlm.ports import Cache, Credentials
    from dlm.workflows.download import Brought, Shelf

__all__ = ["Descriptor", "Download", "DownloadManager", "cache_records"]

StrPath = str | os.PathLike[str]
When = str | datetime
#: Told how far a download is, on whatever thread it runs; told at least once, at the end.
OnProgress = Callable[[Progress], None]

_CHECKS = ("auto", "etag", "modified", "size", "hash")
#: The predecessor's names for settings.
_ALIASES = {"timeout": "stall_timeout", "connecttimeout": "connect_timeout", "cainfo": "ca_file"}
_SETTINGS = (
    "backend", "connect_timeout", "stall_timeout", "stall_rate", "retry_backoff", "retry_budget", "max_size",
    "ca_file", "proxy", "netrc",
)  # fmt: skip
_OPTIONS = ("path", "pkg", "cache", "progress", "retries", *_ALIASES, *_SETTINGS)
#: The folder below a cache's own that holds blobs and locks.
_STORE, _DOWNLOADS = ".dlm", "downloads"


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """How a download ended; whatever fails raises instead.

    Attributes:
        descriptor: what was asked for.
        dest: the file's path, or the bytes in memory.
        from_cache: whether no body came over the wire.
        http_code: of the answer that brought the bytes.
        size, sha256: of the bytes.
        filename: what the server calls the file (RFC 6266), else what the address does; made safe, and never a path.
        ext: the suffix of the file's own name, without the dot.
        resp_headers: of the answer; only those that cannot hold a secret.
        record: as in ``cache_records``; None where there is no cache.
    """

    descriptor: Descriptor
    dest: str | io.BytesIO
    from_cache: bool
    http_code: int
    size: int
    sha256: str
    filename: str
    ext: str
    resp_headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    record: Mapping[str, Any] | None = None

    ok = success = True

    @property
    def path(self) -> str | None:
        """The file's path, None in memory."""
        return self.dest if isinstance(self.dest, str) else None

    @property
    def to_buffer(self) -> bool:
        """Whether the bytes are in memory."""
        return not isinstance(self.dest, str)

    @property
    def is_empty(self) -> bool:
        """Whether there are no bytes."""
        return self.size == 0

    @property
    def path_exists(self) -> bool:
        """Whether the file is still there."""
        return isinstance(self.dest, str) and os.path.isfile(self.dest)

    def checksum(self, algorithm: str = "sha256") -> str:
        """The digest of the bytes as they are now, in hexadecimal.

        Raises:
            UsageError: no such algorithm.
        """
        if algorithm not in {*STRENGTH, "md5", "sha1"}:
            raise UsageError(f"no digest is called {algorithm!r}{suggest(algorithm, STRENGTH)}")
        found = hashlib.new(algorithm, usedforsecurity=False)
        with self.open() as file:
            while piece := file.read(1024 * 1024):
                found.update(piece)
        return found.hexdigest()

    def open(self) -> IO[bytes]:
        """The bytes, to be read from the beginning."""
        if isinstance(self.dest, str):
            return Path(self.dest).open("rb")
        return io.BytesIO(self.dest.getvalue())


class DownloadManager:
    """Downloads, and keeps what it downloaded where it has a cache. Threads and processes may share one cache.

    Args:
        path: the folder of the cache. Without ``path`` and ``pkg`` there is none.
        pkg: the name of a program; the cache is then its folder among the user's caches.
        config: options as a mapping, or a YAML or JSON file with them. What is given by name counts before it.
        cache: the layout of the cache: ``dlm``, or ``cachedir`` to share the cache of the package of that name.
        backend: what speaks HTTP: ``auto`` (curl where pycurl can be imported), ``curl`` or ``requests``.
        progress: True for a bar on standard error where that is a terminal, False for nothing, or a function that is
            called with a ``dlm.model.events.Progress`` on the downloading thread.
        retries: how often a server is asked at most, in all; the setting ``retries`` counts the attempts after the
            first.
        timeout: seconds without enough progress before an attempt is given up, as the setting ``stall_timeout``.
        connecttimeout: seconds to reach a server, as the setting ``connect_timeout``.
        cainfo: certificates to trust instead of the system's, as the setting ``ca_file``.
        **options: other settings of dlm that concern transfers, by name: ``proxy``, ``netrc``, ``max_size``,
            ``retry_backoff``, ``retry_budget`` and so on. What is not given comes from the user's configuration.

    Attributes:
        config: the options that are in force.
        cache_dir: the folder of the cache, absolute, or None.

    Raises:
        SettingsError: an option is not known or has a value that it cannot have.
    """

    def __init__(
        self,
        path: StrPath | None = None,
        pkg: str | None = None,
        config: StrPath | Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        given = _options(config, {**options, "path": path, "pkg": pkg})
        self.config: Mapping[str, Any] = MappingProxyType(given)
        self._settings = _settings({name: value for name, value in given.items() if name not in {"path", "pkg"}})
        self._clock = SystemClock()
        self._reporter = _Reporter(given.get("progress", True))
        self._credentials = _credentials(self._settings, self._clock)
        self._lock = threading.Lock()
        self._fetchers: dict[tuple[tuple[str, Any], ...], HttpFetcher] = {}
        self.cache_dir = _cache_dir(given)
        self._cache: Cache | None = None
        self._shelf: Shelf | None = None
        if self.cache_dir is not None:
            self._cache, self._shelf = self._open_cache(self.cache_dir)
        self._check_backend()
        self._finalizer = weakref.finalize(self, _close, self._fetchers, self._cache, self._reporter)

    def _open_cache(self, folder: str) -> tuple[Cache, Shelf]:
        if self.config.get("cache", "dlm") == "cachedir":
            from dlm.store.cachedir import Cachedir
            from dlm.store.cachedir_downloads import CachedirDownloads
            from dlm.store.cachedir_store import CachedirStore

            return (
                CachedirStore(folder, self._clock, self._reporter),
                CachedirDownloads(Cachedir(folder, self._clock)),
            )
        from dlm.store.downloads import Downloads
        from dlm.store.local import LocalStore

        store = LocalStore(os.path.join(folder, _STORE), self._clock, self._reporter)
        return store, Downloads(os.path.join(folder, _DOWNLOADS), store, self._clock)

    def _check_backend(self) -> None:
        """A backend that cannot be had is told when the manager is made, not at the first download."""
        if self._settings.backend == "curl":
            import importlib.util

            if importlib.util.find_spec("pycurl") is None:
                raise SettingsError("backend is 'curl', and pycurl is not installed", hint="install pycurl")

    @overload
    def download(
        self,
        url: str | Descriptor,
        dest: Literal[False],
        newer_than: When | None = None,
        older_than: When | None = None,
        check_freshness: bool = False,
        check_method: CheckMethod = "auto",
        force_download: bool = False,
        keep_old: bool = True,
        **params: Any,
    ) -> io.BytesIO: ...
    @overload
    def download(
        self,
        url: str | Descriptor,
        dest: StrPath,
        newer_than: When | None = None,
        older_than: When | None = None,
        check_freshness: bool = False,
        check_method: CheckMethod = "auto",
        force_download: bool = False,
        keep_old: bool = True,
        **params: Any,
    ) -> str: ...
    @overload
    def download(
        self,
        url: str | Descriptor,
        dest: StrPath | bool | None = None,
        newer_than: When | None = None,
        older_than: When | None = None,
        check_freshness: bool = False,
        check_method: CheckMethod = "auto",
        force_download: bool = False,
        keep_old: bool = True,
        **params: Any,
    ) -> str | io.BytesIO: ...
    def download(  # noqa: PLR0917 - as programs call it
        self,
        url: str | Descriptor,
        dest: StrPath | bool | None = None,
        newer_than: When | None = None,
        older_than: When | None = None,
        check_freshness: bool = False,
        check_method: CheckMethod = "auto",
        force_download: bool = False,
        keep_old: bool = True,
        **params: Any,
    ) -> str | io.BytesIO:
        """Download ``url``, or take it from the cache.

        Args:
            url: an http or https address, or a ``Descriptor``.
            dest: a path: fetch anew into that file, which is replaced atomically. None or True: the cached file where
                there is a cache, else memory. False: memory.
            newer_than: a version in the cache will do only if its bytes came, or were confirmed by the server, later.
            older_than: a version in the cache will do only if its bytes came earlier. Where none will do, the server
                is asked. Texts are ISO 8601; without a zone they are local times.
            check_freshness: ask the server whether it still has what is in the cache.
            check_method: how: by conditional requests (``auto``, ``etag``, ``modified``), by the size that it states
                (``size``), or by getting the bytes again and comparing digests (``hash``). Where the server does not
                tell, the bytes are got again.
            force_download: get the bytes again whatever is in the cache.
            keep_old: whether older versions stay in the cache when a new one comes.
            **params: as for ``Descriptor``; they count before those of a Descriptor.

        Returns:
            The path of the file, or the bytes in memory at their beginning.

        Raises:
            RefusedError: the server answered that it is not to be had (``status`` says how).
            NetworkError: the transfer failed after every retry.
            LocalError: the disk refuses, or something else than a file is at ``dest``.
            UsageError: the request cannot be made. SettingsError: a parameter is not known.
        """
        return self.get(
            url,
            dest,
            newer_than=newer_than,
            older_than=older_than,
            check_freshness=check_freshness,
            check_method=check_method,
            force_download=force_download,
            keep_old=keep_old,
            **params,
        ).dest

    def get(
        self,
        url: str | Descriptor,
        dest: StrPath | bool | None = None,
        *,
        newer_than: When | None = None,
        older_than: When | None = None,
        check_freshness: bool = False,
        check_method: CheckMethod = "auto",
        force_download: bool = False,
        keep_old: bool = True,
        **params: Any,
    ) -> Download:
        """As :meth:`download`, and tell all that is known of it."""
        desc = _descriptor(url, params)
        ask = desc.ask()
        wish = ToCache(
            newer_than=_when("newer_than", newer_than),
            older_than=_when("older_than", older_than),
            check=_check(check_method) if check_freshness else None,
            force=bool(force_download),
            keep_old=bool(keep_old),
        )
        line = Line(
            fetcher=self._fetcher(desc),
            clock=self._clock,
            rewrite=self._settings.rewrite,
            credentials=self._credentials,
        )
        with self._reporter.showing():
            if dest is None or isinstance(dest, bool):
                if dest is not False and self._shelf is not None and self._cache is not None:
                    means = Means(shelf=self._shelf, store=self._cache, line=line)
                    brought = obtain(ask, wish, means)
                    assert brought.kept is not None, "what comes from the cache is kept there"
                    return _download(desc, brought.kept.path, ask, brought)
                buffer, brought = to_memory(ask, line)
                return _download(desc, buffer, ask, brought)
            path = os.path.abspath(os.fspath(dest))
            return _download(desc, os.fspath(dest), ask, to_file(ask, path, line))

    def records(self, uri: str | None = None) -> list[dict[str, Any]]:
        """What the cache tells of its downloads, as :func:`cache_records` does; empty where there is no cache."""
        return [] if self._shelf is None else _records(self._shelf.records(), uri)

    def close(self) -> None:
        """Close connections, and the cache's index. The manager stays usable."""
        _close(self._fetchers, self._cache, self._reporter)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _fetcher(self, desc: Descriptor) -> HttpFetcher:
        """A fetcher with the settings of one download; those with the same ones share its connections."""
        changes: dict[str, Any] = {setting: desc[name] for name, setting in _ALIASES.items() if desc[name] is not None}
        if desc["retries"] is not None:
            changes["retries"] = _attempts(desc["retries"])
        key = tuple(sorted(changes.items()))
        with self._lock:
            if key not in self._fetchers:
                from dlm.fetch.fetcher import HttpFetcher

                settings = _checked(self._settings, changes)
                self._fetchers[key] = HttpFetcher(settings, self._clock, self._reporter, version=__version__)
            return self._fetchers[key]


def cache_records(path: StrPath, uri: str | None = None) -> list[dict[str, Any]]:
    """What a cache folder tells of the downloads in it, in either layout, without the program that made it.

    Args:
        path: the folder that a ``DownloadManager`` has as its cache, or one of the package ``cachedir``.
        uri: only those of this address.

    Returns:
        One mapping for each version, newest version of a request first: ``key``, ``version``, ``status`` (3: there,
        2: failed), ``uri``, ``filename``, ``ext``, ``date``, ``last_read``, ``read_count``, ``attrs`` (``http_code``,
        ``resp_headers``, ``sha256``, ``size``, ``etag``, ``last_modified``, ``download_started``,
        ``download_finished`` and so on), ``params`` and ``path``. Times are ISO 8601 in UTC; values that may be secret
        stand as ``***``.

    Raises:
        LocalError: the folder cannot be read.
    """
    folder, clock = os.path.abspath(os.fspath(path)), SystemClock()
    if os.path.isdir(os.path.join(folder, _DOWNLOADS)):
        from dlm.store.downloads import Downloads
        from dlm.store.local import LocalStore

        store = LocalStore(os.path.join(folder, _STORE), clock, _Reporter(False))
        return _records(Downloads(os.path.join(folder, _DOWNLOADS), store, clock).records(), uri)
    from dlm.store.cachedir import Cachedir
    from dlm.store.cachedir_downloads import CachedirDownloads

    return _records(CachedirDownloads(Cachedir(folder, clock)).records(), uri)


def _records(kept: Iterable[Kept], uri: str | None) -> list[dict[str, Any]]:
    wanted = None if uri is None else shown_url(_url(uri))
    return [
        _record(one) for one in kept if wanted is None or wanted in {one.uri, one.attrs.get("url"), _canonical(one.uri)}
    ]


def _record(kept: Kept) -> dict[str, Any]:
    return {
        "key": kept.key,
        "version": kept.version,
        "status": kept.status,
        "uri": kept.uri,
        "filename": kept.filename,
        "ext": os.path.splitext(kept.path)[1][1:],
        "date": _text(kept.date),
        "last_read": None if kept.last_read is None else _text(kept.last_read),
        "read_count": kept.read_count,
        "attrs": dict(kept.attrs),
        "params": dict(kept.params),
        "path": kept.path or None,
    }


def _download(desc: Descriptor, dest: str | io.BytesIO, ask: Ask, brought: Brought) -> Download:
    attrs, receipt = brought.attrs, brought.receipt
    name = dest if isinstance(dest, str) else ask.artifact.dest
    return Download(
        descriptor=desc,
        dest=dest,
        from_cache=receipt is None or receipt.status == 304,
        http_code=int(attrs.get("http_code", 200)),
        size=brought.size,
        sha256=brought.sha256,
        filename=brought.filename,
        ext=os.path.splitext(name)[1][1:],
        resp_headers=MappingProxyType(dict(attrs.get("resp_headers", {}))),
        record=None if brought.kept is None else _record(brought.kept),
    )


# What is given


def _options(config: StrPath | Mapping[str, Any] | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Options by name before those of ``config``, which stays as it is."""
    from dlm.documents.options_file import read_options

    if config is None:
        found: dict[str, Any] = {}
    elif isinstance(config, Mapping):
        found = dict(config)
    else:
        file = os.fspath(config)
        try:
            found = read_options(Path(file).read_bytes(), file)
        except OSError as error:
            raise SettingsError(f"config: {file} cannot be read: {error.strerror}", hint="correct its path") from error
    found.update({name: value for name, value in given.items() if value is not None})
    for name, value in found.items():
        if name in {"ssl_verifypeer", "ssl_verifyhost", "followlocation"}:
            Descriptor("https://localhost/", **{name: value})
        elif name not in _OPTIONS:
            raise SettingsError(
                f"a DownloadManager has no option {name!r}{suggest(name, _OPTIONS)}",
                hint=f"known are {', '.join(_OPTIONS)}",
            )
    if found.get("cache", "dlm") not in {"dlm", "cachedir"}:
        raise SettingsError(f"cache is {found['cache']!r}", hint="it is dlm or cachedir")
    progress = found.get("progress", True)
    if not isinstance(progress, bool) and not callable(progress):
        raise SettingsError(f"progress is {progress!r}", hint="it is True, False or a function")
    return found


def _settings(given: Mapping[str, Any]) -> Settings:
    """The user's settings, and above them what is given."""
    flags: dict[str, Any] = {name: given[name] for name in _SETTINGS if name in given}
    flags.update({setting: given[name] for name, setting in _ALIASES.items() if name in given})
    if "retries" in given:
        flags["retries"] = _attempts(given["retries"])
    settings, _ = load_settings(dict(os.environ), {name: _plain(value) for name, value in flags.items()})
    return settings


def _credentials(settings: Settings, clock: SystemClock) -> Credentials | None:
    """What the user's configuration sends to origins; None where it says nothing."""
    if not settings.hosts and not settings.netrc:
        return None
    from dlm.cli.credentials import UserCredentials

    return UserCredentials(settings, dict(os.environ), clock)


def _checked(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """Settings with those of one download, checked as any."""
    if not changes:
        return settings
    checked, _ = load_settings(dict(os.environ), {name: _plain(value) for name, value in changes.items()})
    return replace(settings, **{name: getattr(checked, name) for name in changes})


def _plain(value: Any) -> Any:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _attempts(retries: Any) -> int:
    """Attempts after the first, from attempts in all."""
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        raise SettingsError(f"retries is {retries!r}", hint="give a whole number")
    return max(0, retries - 1)


def _cache_dir(given: Mapping[str, Any]) -> str | None:
    path, pkg = given.get("path"), given.get("pkg")
    if path is not None:
        return os.path.abspath(os.path.expanduser(str(os.fspath(path))))
    if pkg is None:
        return None
    import platformdirs

    folder: str = platformdirs.user_cache_dir(str(pkg))
    return os.path.abspath(folder)


def _descriptor(url: str | Descriptor, params: Mapping[str, Any]) -> Descriptor:
    if isinstance(url, Descriptor):
        return url.with_changes(**params) if params else url
    if not isinstance(url, str):
        raise UsageError(f"{url!r} is no URL", hint="give a text or a Descriptor")
    return Descriptor(url, **params)


def _check(method: str) -> CheckMethod:
    if method not in _CHECKS:
        raise SettingsError(f"check_method is {method!r}{suggest(method, _CHECKS)}", hint=f"it is {', '.join(_CHECKS)}")
    return cast("CheckMethod", method)


def _when(name: str, value: When | None) -> float | None:
    """Seconds since the epoch; without a zone, local time is meant."""
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise UsageError(
                f"{name} {value!r} is no date", hint="write it as 2026-11-21 or 2026-11-21 12:00"
            ) from error
    return value.astimezone().timestamp() if value.tzinfo is None else value.timestamp()


def _url(text: str) -> Url:
    try:
        return Url.parse(text)
    except ValueError as error:
        raise UsageError(f"uri: {error}") from error


def _canonical(text: str) -> str:
    try:
        return shown_url(Url.parse(text))
    except ValueError:
        return text


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(sep=" ", timespec="microseconds")


# What is told


class _Reporter:
    """Progress for whoever wants it; all else goes to the logger ``dlm``, which the program configures or not."""

    def __init__(self, progress: bool | OnProgress) -> None:
        self._log = logging.getLogger("dlm")
        self._tell: OnProgress | None = progress if callable(progress) else None
        self._bars = progress is True and sys.stderr is not None and sys.stderr.isatty()
        self._meter: BarMeter | None = None
        self._running = 0
        self._lock = threading.Lock()

    @contextmanager
    def showing(self) -> Iterator[None]:
        """While a download runs; the bars go with the last one."""
        with self._lock:
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                if not self._running:
                    self._take_away()

    def emit(self, event: Event) -> None:
        """Called on any thread."""
        if not isinstance(event, Progress):
            self._log.debug("%s", event)
        if self._bars:
            with self._lock:
                if self._meter is None:
                    from dlm.cli.progress import BarMeter

                    self._meter = BarMeter()
                self._meter.show(event)
        if self._tell is None:
            return
        if isinstance(event, Progress):
            self._tell(event)
        elif isinstance(event, Fetched):
            self._tell(Progress(event.resource, event.filename, event.size, event.size))

    def close(self) -> None:
        """Take the bars away."""
        with self._lock:
            self._take_away()

    def _take_away(self) -> None:
        meter, self._meter = self._meter, None
        if meter is not None:
            meter.close()


def _close(fetchers: Mapping[Any, HttpFetcher], cache: Cache | None, reporter: _Reporter) -> None:
    for fetcher in list(fetchers.values()):
        fetcher.close()
    if cache is not None:
        cache.close()
    reporter.close()
