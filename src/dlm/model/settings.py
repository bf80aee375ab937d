"""Settings: what the user decides about how dlm works. A manifest sets none of them.

Where each comes from (flag, ``DLM_`` variable, user file, system file) is the border's business, in
``dlm.cli.settings``; this is the value that rooms get.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from dlm.model.frozen import dataclass, field
from dlm.model.policy import EvidencePolicy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.model.evidence import SigstoreWish
    from dlm.model.hosts import HostSettings
    from dlm.model.rewrite import RewriteRule

__all__ = ["DEFAULT_PYTHON_ORG", "Settings"]

DEFAULT_PYTHON_ORG = "https://www.python.org/ftp/python/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting with its default.

    Attributes:
        backend: ``auto`` (curl where pycurl imports), ``curl`` or ``requests``.
        jobs: transfers at once.
        jobs_per_host: of these, to one host.
        connect_timeout: seconds to reach a server, and again to its first header line.
        stall_timeout: seconds without enough progress (``stall_rate`` bytes per second) before a transfer is cut.
        retries: further attempts per source after the first, for failures that may pass.
        retry_backoff: seconds before the first further attempt; doubled for each one after, with jitter.
        retry_budget: most seconds spent waiting on one artifact.
        split: whether a large file comes over several connections: ``auto`` (where that is measured to be a gain),
            ``off``, or how many.
        max_size: most bytes that one artifact may have, None for no limit.
        ca_file: certificates to trust instead of the system's, a PEM file.
        proxy: address of a proxy for all requests; None takes ``HTTP(S)_PROXY`` and ``NO_PROXY``.
        netrc: a netrc file to take credentials from; None reads none.
        python_org_url: where python.org's tree is read, for instance a mirror.
        listing_ttl: seconds for which python.org's root listing is taken as it was read.
        cache_dir: the folder of the shared store.
        cache_read_only: folders of lower caches, consulted first and never written.
        cache_shared: whether every user of the cache folder's group may write to it.
        cache_format: ``dlm``, or ``cachedir`` for the layout of the package of that name, 0.1.
        state_dir: the folder that says which paths dlm placed.
        link: ``auto`` (reflink, else copy), ``reflink``, ``hardlink``, ``symlink`` or ``copy``.
        allow_outside: folders outside a project that a link in its tree may lead to.
        policy: the evidence that artifacts from each host need.
        openpgp_keys: files of public keys that OpenPGP signatures may be checked by.
        sigstore_trusted_root: a file with another root of trust for Sigstore, None for that of its public instance.
        python_identities: who signs which release line of CPython, beyond and above what dlm knows.
        hosts: by host, credentials, client certificates, and the variables that a manifest may use.
        rewrite: where to go instead of some addresses; the first rule that matches counts.
        proxies: what the environment says about proxies, read once at the border.
    """

    backend: str = "auto"
    jobs: int = 16
    jobs_per_host: int = 16
    connect_timeout: float = 10.0
    stall_timeout: float = 30.0
    stall_rate: int = 1024
    retries: int = 4
    retry_backoff: float = 0.5
    retry_budget: float = 120.0
    split: str = "auto"
    max_size: int | None = None
    ca_file: str | None = None
    proxy: str | None = field(default=None, repr=False)
    netrc: str | None = None
    python_org_url: str = DEFAULT_PYTHON_ORG
    listing_ttl: float = 600.0
    cache_dir: str = ""
    cache_read_only: tuple[str, ...] = ()
    cache_shared: bool = False
    cache_format: str = "dlm"
    state_dir: str = ""
    link: str = "auto"
    allow_outside: tuple[str, ...] = ()
    policy: EvidencePolicy = field(default_factory=EvidencePolicy)
    openpgp_keys: tuple[str, ...] = ()
    sigstore_trusted_root: str | None = None
    python_identities: Mapping[str, SigstoreWish] = field(default_factory=lambda: MappingProxyType({}))
    hosts: Mapping[str, HostSettings] = field(default_factory=lambda: MappingProxyType({}))
    rewrite: tuple[RewriteRule, ...] = ()
    proxies: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
