"""What vouches for the artifacts that are being locked: their sidecars are fetched in the same round, and checked.

What the manifest asks for under ``evidence:`` has to hold. What python.org lays beside its files is looked at unasked:
if it is not there or cannot be read, that is said and the lock goes on, unless policy demands it; if it is about other
bytes or by somebody else, nothing is locked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dlm.errors import (
    DlmError,
    EvidenceError,
    MissingExtraError,
    NetworkError,
    OfflineError,
    PolicyError,
    RefusedError,
)
from dlm.fetch.server_digests import stated
from dlm.model.artifact import Artifact
from dlm.model.events import Note, Warned
from dlm.model.evidence import (
    LIMITS,
    Absence,
    OpenPgpWish,
    Piece,
    Provenance,
    SpdxWish,
    Subject,
    python_sidecars,
    sidecars,
)
from dlm.model.frozen import dataclass, field
from dlm.model.manifest import fill
from dlm.model.policy import Step
from dlm.model.settings import DEFAULT_PYTHON_ORG
from dlm.model.url import Url
from dlm.model.wire import Head
from dlm.verify.content import digest_of, sidecar_at
from dlm.verify.cpython_identities import identity_for
from dlm.workflows.orders import gather
from dlm.workflows.policy import host_of

if TYPE_CHECKING:
    from dlm.model.evidence import Sidecar, Wish
    from dlm.model.evidence_wish import EvidenceWish
    from dlm.model.lockfile import LockedArtifact, LockEntry
    from dlm.model.manifest import Resource
    from dlm.model.policy import EvidencePolicy
    from dlm.workflows.orders import Delivery, Haul
    from dlm.workflows.run import Run

__all__ = ["Case", "Inquiry", "fallen", "sidecar_artifact"]

# What a sidecar that nobody asked for may be without stopping a lock: it says nothing about these bytes.
_TELLS_NOTHING = frozenset({"malformed", "not-listed", "weak"})
# What a server answers where there is no such file; stores of objects say 403 for it.
_NOT_THERE = frozenset({403, 404, 410})


def fallen(old: LockEntry, new: Sequence[LockedArtifact]) -> Iterator[tuple[LockedArtifact, Provenance, Provenance]]:
    """Each new artifact that has less evidence than the one whose place it takes, with what was and what is."""
    staying = {(one.platform, one.url) for one in new}
    for one in new:
        before = [was for was in old.artifacts if (was.platform, was.url) == (one.platform, one.url)] or [
            was for was in old.artifacts if was.platform == one.platform and (was.platform, was.url) not in staying
        ]
        if not before:
            continue
        # Of several files that went, the one that was vouched for least: more was never promised.
        was = min((Provenance.from_documents(it.evidence) for it in before), key=lambda it: it.strongest)
        now = Provenance.from_documents(one.evidence)
        if was.falls_to(now) or was.dropped_by(now):
            yield one, was, now


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One artifact whose evidence is looked for.

    Attributes:
        artifact: with all that it must match.
        stated: whether the manifest states its digest.
        wanted: whether its sidecars are looked for; else only what is at hand counts.
    """

    resource: Resource
    artifact: Artifact
    stated: bool
    wanted: bool = True

    @property
    def host(self) -> str:
        """The host that policies know it by."""
        return host_of(self.artifact.url)


@dataclass(slots=True)
class _Search:
    """One sidecar on its way.

    Attributes:
        case: its artifact's place in the round.
        urls: where it may still lie; the first is being asked.
        asked: whether the manifest asks for it, so that it has to hold.
        certificate: whether it is no evidence but the public key for it.
    """

    case: int
    wish: Wish
    urls: list[str]
    asked: bool
    certificate: bool = False
    arrived: Delivery | None = None
    url: str = ""
    error: DlmError | None = None

    @property
    def most(self) -> int:
        """The most bytes that it may have."""
        return (16 << 20) if self.certificate else LIMITS[self.wish.kind]


@dataclass(slots=True)
class _Findings:
    """What is known of one artifact so far; ``reasons`` says why evidence is lacking, for where policy demands it."""

    absences: list[Absence] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    error: DlmError | None = None


class Inquiry:
    """The evidence of one round of artifacts."""

    def __init__(self, run: Run, policy: EvidencePolicy, cases: Sequence[Case]) -> None:
        self._run = run
        self._policy = policy
        self._cases = cases
        self._findings = [_Findings() for _ in cases]
        self._searches: list[_Search] = []
        for number, case in enumerate(cases):
            try:
                self._searches.extend(self._plan(number, case))
            except DlmError as error:
                self._findings[number].error = error

    def gather(self, *, offline: str | None) -> Haul:
        """Fetch the artifacts, and with them all that may vouch for them.

        Args:
            offline: the flag or variable that forbids the network, or None.
        """
        artifacts = [case.artifact for case in self._cases]
        if offline is not None:
            return self._offline(artifacts, offline)
        under_way = self._searches
        haul = self._round(artifacts, under_way)
        while under_way := [one for one in under_way if _goes_on(one)]:
            self._round([], under_way)
        return haul

    def provenance(self, number: int, arrived: Delivery) -> Provenance:
        """What vouches for the artifact in that place, checked.

        Raises:
            EvidenceError: something that has to hold does not, or is missing.
            PolicyError: there is less than policy demands.
            NetworkError: a sidecar could not be had, and the origin does not say that there is none.
            MissingExtraError: the manifest asks for what cannot be checked without an extra.
            LocalError: the root of trust, or the bytes, cannot be read.
        """
        case, findings = self._cases[number], self._findings[number]
        if findings.error is not None:
            raise findings.error
        subject = Subject.of(case.artifact, arrived.blob)
        pieces = [piece for piece in (_transport(subject, arrived),) if piece is not None]
        if case.stated:
            pieces.append(Piece(kind="manifest-digest"))
        searches = [one for one in self._searches if one.case == number]
        keys = [self._certificate(case, one) for one in searches if one.certificate]
        for search in searches:
            if not search.certificate:
                found = self._checked(search, subject, keys, findings)
                pieces.extend(() if found is None else (found,))
        provenance = Provenance(tuple(pieces), tuple(findings.absences))
        self._refuse(case, provenance, findings)
        return provenance

    def say_unchecked(self) -> None:
        """One line for each extra that is missing, about all that it would have checked."""
        by_extra: dict[str, list[str]] = {}
        for case, findings in zip(self._cases, self._findings, strict=True):
            for extra in findings.unchecked:
                by_extra.setdefault(extra, []).append(case.artifact.filename)
        for extra, names in by_extra.items():
            unique = list(dict.fromkeys(names))
            listed = ", ".join(unique[:3]) + (f" and {len(unique) - 3} more" if len(unique) > 3 else "")
            self._run.reporter.emit(
                Warned(
                    f"{_SIGNATURES[extra]} of {listed} {'was' if len(unique) == 1 else 'were'} not checked: that needs"
                    f" `pip install 'dlm[{extra}]'`"
                )
            )

    def _offline(self, artifacts: Sequence[Artifact], offline: str) -> Haul:
        haul = gather(self._run, artifacts, offline=offline)
        for number, artifact in enumerate(artifacts):
            if artifact.digests and self._run.store.get(artifact.digests) is not None:
                haul.errors[number] = OfflineError(
                    f"what vouches for {artifact.filename} was never checked, and {offline} forbids fetching it",
                    resource=artifact.resource,
                    hint="run `dlm lock` once with the network",
                )
        return haul

    def _round(self, artifacts: Sequence[Artifact], searches: Sequence[_Search]) -> Haul:
        orders = [*artifacts]
        most: dict[int, int] = {}
        for search in searches:
            search.url = search.urls.pop(0)
            search.error = None
            most[len(orders)] = search.most
            orders.append(sidecar_artifact(self._cases[search.case].artifact, search.url))
        haul = gather(self._run, orders, most=most)
        for place, search in enumerate(searches, start=len(artifacts)):
            search.arrived = haul.arrived.pop(place, None)
            search.error = haul.errors.pop(place, None)
        return haul

    def _plan(self, number: int, case: Case) -> Iterator[_Search]:
        """What has to be fetched for a case, weakest step first."""
        wish = _filled(case)
        for one in sidecars(case.artifact.url, wish) if case.wanted else ():
            extra = self._run.verifiers().missing_extra(one.wish.kind)
            if extra is not None:
                raise MissingExtraError(extra, f"the {one.wish.kind} evidence that the manifest asks for")
            yield _Search(number, one.wish, _listed(one, case.artifact), asked=True)
            if isinstance(one.wish, OpenPgpWish) and one.wish.key is not None:
                yield _Search(number, one.wish, [one.wish.key], asked=True, certificate=True)
        if case.wanted and _is_from_python_org(case):
            asked = {one.kind for one in wish.wishes}
            yield from self._unasked(number, case, asked)

    def _unasked(self, number: int, case: Case, asked: set[str]) -> Iterator[_Search]:
        """What python.org has beside its files, as far as its listing shows it and something can check it."""
        settings, findings = self._run.settings, self._findings[number]
        signer = identity_for(case.artifact.version or "", settings.python_identities)
        keys = OpenPgpWish() if settings.openpgp_keys else None
        if signer is None and ".sigstore" in case.artifact.sidecars and "sigstore" not in asked:
            findings.absences.append(Absence("sigstore", "unknown-signer"))
            findings.reasons.append(
                f"nothing says who signs {case.artifact.version}; name them under python_identities"
            )
        for one in python_sidecars(case.artifact.url, signer, keys):
            kind = one.wish.kind
            there = [url for url in one.urls if url.removeprefix(case.artifact.url) in case.artifact.sidecars]
            if kind in asked:
                continue
            extra = self._run.verifiers().missing_extra(kind)
            if not there:
                findings.reasons.append(f"there is no {kind} sidecar beside it")
                if not isinstance(one.wish, SpdxWish | OpenPgpWish):
                    findings.absences.append(Absence(kind, "missing"))
            elif extra is not None:
                findings.unchecked.append(extra)
            else:
                yield _Search(number, one.wish, there, asked=False)

    def _certificate(self, case: Case, search: _Search) -> bytes:
        if search.arrived is None:
            raise self._lost(case, search, "the OpenPGP public key")
        return sidecar_at(search.arrived.blob.path)

    def _lost(self, case: Case, search: _Search, what: str) -> DlmError:
        error = search.error
        if _is_not_there(error):
            return EvidenceError(
                f"{what} of {case.artifact.filename} is not there: {search.url}",
                why="missing",
                resource=case.artifact.resource,
                hint=f"correct `evidence:` of {case.resource.name} in the manifest, or ask its makers",
            )
        return error or NetworkError(f"{what} of {case.artifact.filename} did not come: {search.url}")

    def _checked(self, search: _Search, subject: Subject, keys: Sequence[bytes], findings: _Findings) -> Piece | None:
        case, kind = self._cases[search.case], search.wish.kind
        if search.arrived is None:
            if search.asked:
                raise self._lost(case, search, f"the {kind} evidence")
            if not (_is_not_there(search.error) or isinstance(search.error, PolicyError)):
                raise self._lost(case, search, f"the {kind} evidence")
            self._pass_over(case, findings, f"the {kind} sidecar that its listing shows is not to be had")
            findings.absences.append(Absence(kind, "missing"))
            return None
        verifiers = self._run.verifiers()
        if keys:
            verifiers = verifiers.with_openpgp_keys(*keys)
        try:
            return verifiers.verify(subject, sidecar_at(search.arrived.blob.path), search.wish, source=search.url)
        except EvidenceError as error:
            signed_by_others = kind == "openpgp" and error.why == "key"
            if search.asked or not (error.why in _TELLS_NOTHING or signed_by_others):
                error.resource = error.resource or case.artifact.resource
                error.hint = error.hint or _after_contradiction(case, error)
                raise
            self._pass_over(case, findings, error.message)
            return None

    def _pass_over(self, case: Case, findings: _Findings, reason: str) -> None:
        findings.reasons.append(reason)
        if self._policy.demanded(case.host) < Step.CHECKSUMS:
            self._run.reporter.emit(Warned(f"{reason}; it proves nothing and is passed over", case.artifact.resource))
        else:
            self._run.reporter.emit(Note(f"{case.artifact.resource}: {reason}"))

    def _refuse(self, case: Case, provenance: Provenance, findings: _Findings) -> None:
        reason = self._policy.refusal(case.host, provenance)
        if reason is None:
            return
        extras = list(dict.fromkeys(findings.unchecked))
        raise PolicyError(
            f"{case.artifact.filename}: {reason}",
            resource=case.artifact.resource,
            hint=f"install what checks signatures with `pip install 'dlm[{extras[0]}]'`, then run `dlm lock`"
            if extras
            else "ask for what its makers publish under `evidence:` in the manifest, then run `dlm lock`",
            details=[
                *findings.reasons,
                *(f"{_SIGNATURES[one]} was not checked" for one in extras),
            ],
        )


_SIGNATURES = {"sigstore": "the Sigstore bundle", "openpgp": "the OpenPGP signature"}


def _goes_on(search: _Search) -> bool:
    """Whether it was not where it was looked for, and may lie elsewhere."""
    return bool(search.urls) and search.arrived is None and _is_not_there(search.error)


def _is_not_there(error: DlmError | None) -> bool:
    return isinstance(error, RefusedError) and error.status in _NOT_THERE


def _after_contradiction(case: Case, error: EvidenceError) -> str:
    if error.why in {"identity", "issuer", "key"}:
        return f"if that signer is right, correct `evidence:` of {case.resource.name} in the manifest"
    return "do not use this file; ask its makers, or try again later where a release has only just been replaced"


def _filled(case: Case) -> EvidenceWish:
    """The manifest's wish with each ``{name}`` in its addresses replaced."""
    resource, artifact = case.resource, case.artifact
    variant = next((one for one in resource.platforms if one.platform == artifact.platform), None)
    values = {**resource.vars, **({"version": artifact.version} if artifact.version is not None else {})}
    values |= variant.vars if variant is not None else {}
    return resource.evidence.with_addresses({one: fill(one, values) for one in resource.evidence.templates})


def _listed(sidecar: Sidecar, artifact: Artifact) -> list[str]:
    """Where it may lie; where a listing told, what that shows, so that nothing is asked for in vain."""
    shown = [url for url in sidecar.urls if url.removeprefix(artifact.url) in artifact.sidecars]
    return shown or list(sidecar.urls)


def _is_from_python_org(case: Case) -> bool:
    selector = case.resource.selector or ""
    return selector.startswith("python:") and case.artifact.url.startswith(DEFAULT_PYTHON_ORG)


def sidecar_artifact(artifact: Artifact, url: str) -> Artifact:
    """A sidecar as something to fetch; credentials of its artifact's origin go with it to that origin alone."""
    address, own = Url.parse(url), Url.parse(artifact.url)
    if address.origin != own.origin:
        return Artifact(resource=artifact.resource, filename=address.filename, url=url, dest="")
    if address.userinfo is None and own.userinfo is not None:
        url = f"{address.scheme}://{own.userinfo}@{str(address).partition('://')[2]}"
    return Artifact(resource=artifact.resource, filename=address.filename, url=url, dest="", headers=artifact.headers)


def _transport(subject: Subject, arrived: Delivery) -> Piece | None:
    """That the origin states a digest beside the body, and that it is the body's.

    It is read from the headers that are kept with the body, so that a warm cache says the same as a cold one.
    """
    receipt = arrived.receipt
    if not receipt.from_origin:
        return None
    head = Head(status=200, fields=tuple(receipt.headers.items()))
    source: str | None = None
    for header, algorithm, value in stated(head):
        if digest_of(subject, algorithm) != value:
            return None
        source = source or header
    return None if source is None else Piece(kind="transport-digest", source=source)
