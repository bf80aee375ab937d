"""This machine, and the only place that builds the parts of a run and passes them in."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from functools import cache

from dlm.cli.clock import SystemClock
from dlm.cli.places import LOCKFILE, MANIFESTS, configurations
from dlm.cli.plugins import ResolverPlugins
from dlm.cli.shortcut import stamp_of
from dlm.cli.variables import EnvironmentVariables
from dlm.errors import SettingsError, UsageError
from dlm.model.frozen import replace
from dlm.workflows.run import Run
from dlm.workflows.stamping import Stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.cli.files import DocumentFiles
    from dlm.model.settings import Settings
    from dlm.ports import Cache, Clock, Credentials, Fetcher, ProjectFiles, Reporter, Resolver
    from dlm.state.ownership import ProjectState
    from dlm.store.local import LocalStore
    from dlm.verify.registry import Verifiers
    from dlm.workflows.run import ListingAge

__all__ = ["build_run", "build_store", "host_platform", "target_platform"]


def host_platform() -> str:
    """This machine as ``os-arch``: ``linux-x86_64``, ``macos-arm64``, ``windows-x86_64``, …"""
    machine = _machine().lower()
    arch = {"amd64": "x86_64", "x64": "x86_64", "aarch64": "arm64", "i686": "x86", "i386": "x86"}.get(machine, machine)
    system = {"darwin": "macos", "win32": "windows", "cygwin": "windows"}.get(sys.platform, sys.platform)
    return f"{system}-{arch}"


def target_platform(name: str | None) -> str | None:
    """The platform that ``--platform`` means: this machine's by default, None for ``all``.

    Raises:
        UsageError: it is no name of a platform, or looks like a known one, written wrongly.
    """
    from dlm.model.platforms import check_platform

    if name is None:
        return host_platform()
    try:
        return None if name == "all" else check_platform(name)
    except ValueError as error:
        raise UsageError(f"--platform: {error}", hint="or give --platform all") from error


def _machine() -> str:
    if hasattr(os, "uname"):
        return os.uname().machine
    return os.environ.get("PROCESSOR_ARCHITEW6432") or os.environ.get("PROCESSOR_ARCHITECTURE", "unknown")


def _stamp(files: DocumentFiles, environment: Mapping[str, str], version: str) -> Stamp | None:
    """The stamp of a project that a plain ``dlm sync`` would find: its documents have their usual names."""
    if files.manifest_path is None or os.path.basename(files.lockfile_path) != LOCKFILE:
        return None
    if os.path.basename(files.manifest_path) not in MANIFESTS:
        return None
    return Stamp(
        path=stamp_of(files.root, environment),
        version=version,
        root=files.root,
        documents=(files.manifest_path, files.lockfile_path),
        configuration=configurations(environment),
        environment=environment,
    )


def build_store(settings: Settings, reporter: Reporter, *, own_process: bool = False) -> LocalStore:
    """The shared store in dlm's own format; ``own_process`` as for :func:`build_run`."""
    from dlm.store.local import LocalStore

    return LocalStore(
        settings.cache_dir,
        SystemClock(),
        reporter,
        layers=settings.cache_read_only,
        shared=settings.cache_shared,
        own_process=own_process,
    )


def build_cache(settings: Settings, reporter: Reporter, *, own_process: bool = False) -> Cache:
    """The shared store in the format that the settings name; ``own_process`` as for :func:`build_run`."""
    if settings.cache_format == "dlm":
        return build_store(settings, reporter, own_process=own_process)
    from dlm.store.cachedir_store import CachedirStore

    return CachedirStore(settings.cache_dir, SystemClock(), reporter, layers=settings.cache_read_only)


def build_state(settings: Settings, files: ProjectFiles, reporter: Reporter) -> ProjectState:
    """What is known of one project's tree."""
    from dlm.state.ownership import ProjectState, project_folder

    lockfile = os.path.join(files.root, files.lockfile_name)
    return ProjectState(project_folder(settings.state_dir, lockfile), reporter, lockfile)


def _key_file(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise SettingsError(
            f"the file {path} of openpgp_keys cannot be read: {error.strerror}", hint="correct openpgp_keys"
        ) from error


def _credentials(settings: Settings, environment: Mapping[str, str], clock: Clock) -> Credentials | None:
    """What the user's configuration sends to origins, None where it has nothing to send."""
    if not (settings.hosts or settings.netrc):
        return None
    from dlm.cli.credentials import UserCredentials

    return UserCredentials(settings, environment, clock)


def build_run(
    settings: Settings,
    files: DocumentFiles,
    reporter: Reporter,
    environment: Mapping[str, str],
    version: str,
    *,
    own_process: bool = False,
) -> Run:
    """Everything that a verb needs. What costs time to import is made at first need.

    Args:
        own_process: whether this process is dlm's alone, which may fork it then.
    """
    clock = SystemClock()
    store = build_cache(settings, reporter, own_process=own_process)
    credentials = _credentials(settings, environment, clock)
    plugins = ResolverPlugins()

    # Resolving asks for both from several threads at once, and two of either would read every listing twice.
    building = threading.RLock()

    @cache
    def one_fetcher() -> Fetcher:
        from dlm.fetch.fetcher import HttpFetcher, choose_backend
        from dlm.fetch.worth import is_worth_it

        return HttpFetcher(
            settings,
            clock,
            reporter,
            choose_backend(settings),
            version=version,
            credentials=credentials,
            mates=is_worth_it if own_process else None,
        )

    @cache
    def one_resolver(scheme: str, age: ListingAge) -> Resolver:
        # The root's own dates say what changed; to ask for them is to take no root as it was noted.
        seen = replace(settings, listing_ttl=0.0) if age == "dated" else settings
        if scheme == "python":
            # By name and not through the entry points: reading those costs more than all the rest of a start.
            from dlm.resolve.python_org.index import PythonOrg

            return PythonOrg.build(fetcher(), store, clock, seen, refresh=age == "anew")
        return plugins.resolver(scheme).build(fetcher(), store, clock, seen, refresh=age == "anew")

    def fetcher() -> Fetcher:
        with building:
            return one_fetcher()

    def resolver(scheme: str, age: ListingAge) -> Resolver:
        with building:
            return one_resolver(scheme, age)

    @cache
    def verifiers() -> Verifiers:
        from dlm.verify.registry import built_in

        return built_in(
            trusted_root=settings.sigstore_trusted_root, openpgp_keys=[_key_file(one) for one in settings.openpgp_keys]
        )

    return Run(
        files=files,
        settings=settings,
        store=store,
        state=build_state(settings, files, reporter),
        fetcher=fetcher,
        resolver=resolver,
        verifiers=verifiers,
        variables=EnvironmentVariables(environment, settings),
        clock=clock,
        reporter=reporter,
        platform=host_platform(),
        version=version,
        stamp=_stamp(files, environment, version),
        grammars=plugins,
        fold_case=sys.platform in {"darwin", "win32"},
        credentials=credentials,
        forks=own_process,
    )
