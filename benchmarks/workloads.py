"""What is measured: files, the way to them, who else gets them, and what dlm has to reach."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

__all__ = [
    "CUT_AT",
    "CUT_REQUIRED",
    "CUT_SIZE",
    "GROWTH",
    "GROWTH_PEERS",
    "GROWTH_SIZE",
    "WORKLOADS",
    "Goal",
    "Growth",
    "Ideal",
    "Memory",
    "Ratio",
    "Way",
    "Workload",
]

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


class Way(Enum):
    """How the files are reached; see ``origin_nginx.py`` and ``relay.py``."""

    PLAIN = "HTTP/1.1"
    SECURE = "TLS, HTTP/2 for who asks"
    FAR = "TLS, HTTP/2 for who asks, 40 ms round trips"
    LIMITED = "HTTP/1.1, 8 MiB/s a connection"


@dataclass(frozen=True, slots=True)
class Ratio:
    """Wall clock of dlm over that of a peer."""

    peer: str
    required: float
    aim: float | None = None


@dataclass(frozen=True, slots=True)
class Ideal:
    """Wall clock of dlm over the time that so many connections need at the server's limit."""

    connections: int
    required: float
    aim: float | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """Peak memory of dlm, in bytes."""

    required: int
    aim: int | None = None


Goal = Ratio | Ideal | Memory


@dataclass(frozen=True, slots=True)
class Workload:
    """``count`` files of ``size`` bytes; ``peers`` are names in ``peers.PEERS``.

    ``rounds`` is how often each contestant runs; those in ``few`` run so often instead, since they are slow.
    """

    name: str
    title: str
    count: int
    size: int
    way: Way
    peers: tuple[str, ...]
    goals: tuple[Goal, ...]
    rounds: int
    quick_rounds: int
    few: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Bytes of all files."""
        return self.count * self.size


WORKLOADS = (
    Workload(
        name="1000x10k",
        title="1,000 x 10 KiB",
        count=1_000,
        size=10 * KIB,
        way=Way.PLAIN,
        peers=("curl + sha256sum", "wget2 + sha256sum", "aria2c", "requests", "pooch"),
        goals=(Ratio("curl + sha256sum", 1.6, 0.8), Ratio("aria2c", 0.8, 0.4), Ratio("requests", 0.2, 0.1)),
        rounds=51,  # each is over so soon that a machine which is slow for a moment is so for one of two
        quick_rounds=5,
        few={"requests": 15, "pooch": 5},
    ),
    Workload(
        name="10000x4k",
        title="10,000 x 4 KiB",
        count=10_000,
        size=4 * KIB,
        way=Way.PLAIN,
        peers=("curl + sha256sum", "wget2 + sha256sum", "aria2c", "requests", "pooch"),
        goals=(Ratio("curl + sha256sum", 1.5, 0.7), Ratio("aria2c", 0.45, 0.2), Memory(80 * MIB, 32 * MIB)),
        rounds=9,
        quick_rounds=2,
        few={"requests": 2, "pooch": 1},
    ),
    Workload(
        name="64x4m",
        title="64 x 4 MiB",
        count=64,
        size=4 * MIB,
        way=Way.PLAIN,
        peers=("curl + openssl", "wget2 + openssl", "aria2c", "requests", "pooch"),
        goals=(Ratio("curl + openssl", 0.9, 0.5), Ratio("aria2c", 0.7, 0.4)),
        rounds=11,
        quick_rounds=3,
        few={"pooch": 3},
    ),
    Workload(
        name="1g",
        title="1 x 1 GiB",
        count=1,
        size=GIB,
        way=Way.PLAIN,
        peers=("curl -o + openssl", "aria2c -x4", "aria2c", "requests", "pooch"),
        goals=(Ratio("curl -o + openssl", 0.9, 0.6), Ratio("aria2c -x4", 0.65, 0.5), Memory(64 * MIB, 40 * MIB)),
        rounds=9,
        quick_rounds=2,
        few={"pooch": 2},
    ),
    Workload(
        name="limited",
        title="1 GiB from a server that gives 8 MiB/s a connection",
        count=1,
        size=GIB,
        way=Way.LIMITED,
        peers=("aria2c -x16",),
        goals=(Ideal(16, 1.25, 1.08), Ratio("aria2c -x16", 1.05, 0.9)),
        rounds=5,
        quick_rounds=1,
    ),
    Workload(
        name="far",
        title="200 x 10 KiB, TLS, 40 ms",
        count=200,
        size=10 * KIB,
        way=Way.FAR,
        peers=("curl --http2", "wget2", "aria2c", "aria2c -j50", "requests", "pooch"),
        goals=(Ratio("curl --http2", 1.6, 0.95), Ratio("aria2c", 0.5), Ratio("wget2", 0.8)),
        rounds=15,
        quick_rounds=5,
        few={"pooch": 5},
    ),
    Workload(
        name="64x4m-tls",
        title="64 x 4 MiB, TLS (for information)",
        count=64,
        size=4 * MIB,
        way=Way.SECURE,
        peers=("curl + openssl", "aria2c", "requests"),
        goals=(),
        rounds=7,
        quick_rounds=2,
    ),
    Workload(
        name="1g-tls",
        title="1 x 1 GiB, TLS (for information)",
        count=1,
        size=GIB,
        way=Way.SECURE,
        peers=("curl -o + openssl", "aria2c -x4", "requests"),
        goals=(),
        rounds=5,
        quick_rounds=1,
    ),
)


@dataclass(frozen=True, slots=True)
class Growth:
    """How often ``count`` artifacts are measured."""

    count: int
    rounds: int
    quick_rounds: int


GROWTH_SIZE = 1 * KIB
GROWTH_PEERS = ("curl + sha256sum", "aria2c")
"""Measured once for each number of artifacts; to see what a list costs those who hold it in C and C++."""
GROWTH = (Growth(100, 9, 3), Growth(1_000, 7, 3), Growth(10_000, 5, 1), Growth(100_000, 2, 0))

CUT_SIZE = GIB
CUT_AT = 0.9
CUT_REQUIRED = 0.101
"""The most that the second run may fetch, of the whole; what is missing is a tenth."""
