"""Who else downloads, and how each is called: with what made it fastest here, and with its files checked.

Every command runs in a fresh folder that holds an empty folder ``files`` and these:

* ``SHA256SUMS``: digests and names;
* ``urls.txt``: addresses, one a line; ``curl.txt`` and ``aria2.txt``: addresses, the name to write, for aria2c also
  the digest;
* ``authority.pem``: who vouches for a server with TLS;
* the small programs that call requests and pooch.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.files import Served

__all__ = ["PEERS", "Peer", "furnish"]

_HERE = Path(__file__).parent
_SUMS = "cd files && sha256sum --check --quiet ../SHA256SUMS"
_OPENSSL = "openssl dgst -sha256 files/*"


@dataclass(frozen=True, slots=True)
class Peer:
    """A way to download: the programs it needs, and its command line."""

    name: str
    needs: tuple[str, ...]
    command: Callable[[Served], str]


def furnish(folder: Path, served: Served) -> None:
    """Write what the commands read, into a folder that a run's fresh one is copied from."""
    folder.mkdir(parents=True)
    for place in sorted({os.path.dirname(f"files/{name}") for name in served.sha256}):
        (folder / place).mkdir(parents=True, exist_ok=True)
    names = served.sha256.items()
    (folder / "SHA256SUMS").write_text("".join(f"{sha256}  {name}\n" for name, sha256 in names), encoding="ascii")
    (folder / "urls.txt").write_text("".join(f"{served.base}{name}\n" for name, _ in names), encoding="ascii")
    (folder / "curl.txt").write_text(
        "".join(f'url = "{served.base}{name}"\noutput = "files/{name}"\n' for name, _ in names), encoding="ascii"
    )
    (folder / "aria2.txt").write_text(
        "".join(f"{served.base}{name}\n  out={name}\n  checksum=sha-256={sha256}\n" for name, sha256 in names),
        encoding="ascii",
    )
    for program in ("peer_requests.py", "peer_pooch.py"):
        shutil.copy(_HERE / program, folder)
    if served.authority is not None:
        shutil.copy(served.authority, folder / "authority.pem")


def _curl(served: Served, options: str) -> str:
    trusted = " --cacert authority.pem" if served.authority else ""
    return f"curl --disable --fail --silent --show-error{trusted} {options}"


def _curl_many(served: Served) -> str:
    return _curl(served, "--parallel --parallel-immediate --parallel-max 50 --config curl.txt")


def _curl_large(served: Served) -> str:
    return _curl(served, "--parallel --parallel-immediate --parallel-max 16 --config curl.txt")


def _curl_far(served: Served) -> str:
    return _curl(served, "--parallel --parallel-max 100 --http2 --config curl.txt")


def _curl_one(served: Served) -> str:
    (name,) = served.sha256
    return f"{_curl(served, f'--output files/{name} {served.base}{name}')} && {_OPENSSL}"


def _wget2(served: Served) -> str:
    trusted = " --ca-certificate=authority.pem" if served.authority else ""
    return f"wget2 --no-config --quiet --max-threads=16{trusted} --directory-prefix=files --input-file=urls.txt"


def _aria2c(options: str) -> Callable[[Served], str]:
    def command(served: Served) -> str:
        trusted = " --ca-certificate=authority.pem" if served.authority else ""
        fixed = f"--no-conf --quiet --file-allocation=none --disk-cache=0{trusted}"
        return f"aria2c {fixed} {options} --dir=files --input-file=aria2.txt"

    return command


def _python(program: str) -> Callable[[Served], str]:
    def command(served: Served) -> str:
        trusted = "REQUESTS_CA_BUNDLE=authority.pem " if served.authority else ""
        return f"{trusted}python {program} {served.base} SHA256SUMS files 16"

    return command


PEERS = {
    peer.name: peer
    for peer in (
        Peer("curl + sha256sum", ("curl", "sha256sum"), lambda served: f"{_curl_many(served)} && {_SUMS}"),
        Peer("curl + openssl", ("curl", "openssl"), lambda served: f"{_curl_large(served)} && {_OPENSSL}"),
        Peer("curl -o + openssl", ("curl", "openssl"), _curl_one),
        Peer("curl --http2", ("curl",), _curl_far),
        Peer("wget2 + sha256sum", ("wget2", "sha256sum"), lambda served: f"{_wget2(served)} && {_SUMS}"),
        Peer("wget2 + openssl", ("wget2", "openssl"), lambda served: f"{_wget2(served)} && {_OPENSSL}"),
        Peer("wget2", ("wget2",), _wget2),
        Peer("aria2c", ("aria2c",), _aria2c("--max-concurrent-downloads=16")),
        Peer("aria2c -j50", ("aria2c",), _aria2c("--max-concurrent-downloads=50")),
        Peer("aria2c -x4", ("aria2c",), _aria2c("--max-connection-per-server=4 --split=4 --min-split-size=1M")),
        Peer("aria2c -x16", ("aria2c",), _aria2c("--max-connection-per-server=16 --split=16 --min-split-size=1M")),
        Peer("requests", ("python:requests",), _python("peer_requests.py")),
        Peer("pooch", ("python:pooch",), _python("peer_pooch.py")),
    )
}
