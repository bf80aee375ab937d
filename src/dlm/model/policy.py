"""What has to vouch for artifacts before they are placed: the ladder of steps, and the least step for each host.

Apart from the evidence itself, since every run asks whether a policy is set and few have one.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from dlm.model.frozen import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dlm.model.evidence import Provenance

__all__ = ["EvidencePolicy", "Step"]


class Step(IntEnum):
    """The ladder: how well the bytes of an artifact are vouched for. Each step is worth more than those below it."""

    #: Nothing but that they came first.
    FIRST_USE = 0
    #: The server that sent them stated their digest.
    TRANSPORT_DIGEST = 1
    #: The manifest states it, so somebody reviewed it.
    MANIFEST_DIGEST = 2
    #: A list that their makers publish states it.
    CHECKSUMS = 3
    #: Somebody signed them.
    SIGNATURE = 4

    @property
    def word(self) -> str:
        """How documents, settings and reports call it: ``first-use``, ``transport-digest``, …"""
        return self.name.lower().replace("_", "-")

    @classmethod
    def parse(cls, word: str) -> Step:
        """The step that ``word`` names.

        Raises:
            ValueError: no step is called so.
        """
        found = next((step for step in cls if step.word == word), None)
        if found is None:
            raise ValueError(f"{word!r} is no step of evidence; known are {', '.join(step.word for step in cls)}")
        return found


@dataclass(frozen=True, slots=True)
class EvidencePolicy:
    """The least that has to vouch for what comes from each host.

    Attributes:
        layers: host -> step, one mapping for each who may demand (system, user, manifest). Within a layer the closest
            host counts: ``example.org``, then ``*.example.org``, then ``*``. Of all layers the highest step counts, so
            that none can lower what another demands.
    """

    layers: tuple[Mapping[str, Step], ...] = ()

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> EvidencePolicy:
        """One layer, from ``{host: word}``.

        Raises:
            WishError: with every host or step that is none.
        """
        from dlm.model.evidence_wish import WishError

        problems: list[tuple[str, str]] = []
        layer: dict[str, Step] = {}
        for host, word in mapping.items():
            name = str(host).lower().removesuffix(".")  # as addresses have it
            plain = name.removeprefix("*.")
            if plain != "*" and (not plain or set(plain) & set("*/:@?# ")):
                problems.append((str(host), "is no host; write example.org, *.example.org or *"))
                continue
            try:
                layer[name] = Step.parse(str(word))
            except ValueError as error:
                problems.append((str(host), str(error)))
        if problems:
            raise WishError(problems)
        return cls((layer,) if layer else ())

    def joined(self, other: EvidencePolicy) -> EvidencePolicy:
        """Both together."""
        return EvidencePolicy((*self.layers, *other.layers))

    def demanded(self, host: str) -> Step:
        """The step that artifacts from ``host`` have to reach."""
        return max((_closest(layer, host.lower()) for layer in self.layers), default=Step.FIRST_USE)

    def __bool__(self) -> bool:
        return bool(self.layers)

    def __str__(self) -> str:
        said = [f"{host}: {step.word}" for layer in self.layers for host, step in sorted(layer.items())]
        return ", ".join(said) or "nothing is demanded"

    def refusal(self, host: str, provenance: Provenance) -> str | None:
        """Why an artifact from ``host`` with this provenance may not be placed, or None where it may."""
        demanded = self.demanded(host)
        if provenance.strongest >= demanded:
            return None
        return f"policy demands {demanded.word} for {host}, and it has {provenance.strongest.word} only"


def _closest(layer: Mapping[str, Step], host: str) -> Step:
    labels = host.split(".")
    names = [host, *("*." + ".".join(labels[start:]) for start in range(1, len(labels))), "*"]
    return next((layer[name] for name in names if name in layer), Step.FIRST_USE)
