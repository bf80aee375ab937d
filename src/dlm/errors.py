"""Every error that dlm raises on purpose, each with its exit code and the next command to try.

An error carries facts; the border (``dlm.cli``) turns them into words on a terminal, JSON or an annotation.
Exit codes are part of the surface: 1 failed, 2 usage or invalid document, 3 lockfile missing or stale,
4 integrity, 5 needed under ``--offline``, 6 refused by policy, 7 a check found a difference, 130/143 interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar

__all__ = [
    "TOO_MANY_OPEN",
    "ArchiveError",
    "DlmError",
    "DriftError",
    "EvidenceError",
    "Failures",
    "IntegrityError",
    "Interrupted",
    "LocalError",
    "LockfileError",
    "ManifestError",
    "MissingExtraError",
    "NetworkError",
    "OfflineError",
    "PolicyError",
    "Problem",
    "RefusedError",
    "ResolutionError",
    "SettingsError",
    "StaleError",
    "UsageError",
    "gravest",
]

#: What to try where a process, or the system, has too many files open.
TOO_MANY_OPEN = "raise the limit of open files (`ulimit -n`), or transfer fewer files at once (--jobs)"


class DlmError(Exception):
    """The base of all errors of dlm.

    Attributes:
        message: what happened, in one line, without secrets.
        resource: the name of the resource concerned, where there is one.
        hint: the next command or edit to try, where there is one.
        details: further lines: one reason for each source tried, one for each file concerned, and so on.
        code: the exit code that this error means.
        kind: a stable word for programs (``"integrity"``, ``"network"``, …).
    """

    code: ClassVar[int] = 1
    kind: ClassVar[str] = "failed"

    def __init__(
        self,
        message: str,
        *,
        resource: str | None = None,
        hint: str | None = None,
        details: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.resource = resource
        self.hint = hint
        self.details = tuple(details)

    def __str__(self) -> str:
        return f"{self.resource}: {self.message}" if self.resource else self.message


class NetworkError(DlmError):
    """A transfer failed after every retry and every source (exit code 1).

    ``status`` is what the server answered last, None where it answered nothing or that is not known.
    """

    kind = "network"

    def __init__(
        self,
        message: str,
        *,
        resource: str | None = None,
        hint: str | None = None,
        details: Sequence[str] = (),
        status: int | None = None,
    ) -> None:
        super().__init__(message, resource=resource, hint=hint, details=details)
        self.status = status


class RefusedError(NetworkError):
    """A server answered that the artifact is not to be had there (401, 403, 404, 410, …).

    A listing that is gone (``status`` 404) is no failure of a site.
    """

    kind = "refused"


class ResolutionError(DlmError):
    """A selector matches nothing, or more than one file (exit code 1)."""

    kind = "resolution"


class LocalError(DlmError):
    """This machine stands in the way: disk, permissions, a file that is not dlm's (exit code 1)."""

    kind = "local"


class ArchiveError(DlmError):
    """An archive cannot be unpacked: damaged, encrypted, packed in an unknown way, or without what was asked for.

    Its bytes are those that are locked, so this is no matter of integrity (exit code 1).
    """

    kind = "archive"


class UsageError(DlmError):
    """The command line asks for something that makes no sense (exit code 2)."""

    code = 2
    kind = "usage"


class SettingsError(UsageError):
    """A setting has a value that it cannot have, or stands where it may not (exit code 2)."""

    kind = "settings"


class Problem:
    """One thing wrong with a document: where it stands and what would be right."""

    __slots__ = ("file", "hint", "key", "line", "message")

    def __init__(self, message: str, *, file: str, line: int | None, key: str, hint: str | None = None) -> None:
        self.message = message
        self.file = file
        self.line = line
        self.key = key
        self.hint = hint

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        key = f" {self.key}:" if self.key else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}:{key} {self.message}{hint}"

    def __repr__(self) -> str:
        return f"Problem({str(self)!r})"


class ManifestError(DlmError):
    """The manifest cannot be used; ``problems`` lists everything wrong with it at once (exit code 2)."""

    code = 2
    kind = "manifest"

    def __init__(self, message: str, *, problems: Sequence[Problem] = (), hint: str | None = None) -> None:
        super().__init__(message, hint=hint, details=[str(problem) for problem in problems])
        self.problems = tuple(problems)


class LockfileError(DlmError):
    """The lockfile cannot be read: damaged, or written by a dlm that came later (exit code 2)."""

    code = 2
    kind = "lockfile"


class StaleError(DlmError):
    """The lockfile is missing or does not match the manifest where it has to (exit code 3)."""

    code = 3
    kind = "stale"


class IntegrityError(DlmError):
    """Bytes differ from what they are pinned to (exit code 4)."""

    code = 4
    kind = "integrity"


class EvidenceError(IntegrityError):
    """What ought to vouch for some bytes does not (exit code 4).

    ``why`` is a stable word: ``digest`` (it is about other bytes), ``identity``, ``issuer``, ``key`` (somebody else
    vouches), ``signature``, ``certificate``, ``transparency-log`` (it does not hold), ``expired``, ``revoked``,
    ``weak``, ``not-listed``, ``ambiguous``, ``malformed``, ``missing``.
    """

    kind = "evidence"

    def __init__(
        self,
        message: str,
        *,
        why: str,
        resource: str | None = None,
        hint: str | None = None,
        details: Sequence[str] = (),
    ) -> None:
        super().__init__(message, resource=resource, hint=hint, details=details)
        self.why = why


class MissingExtraError(UsageError):
    """Something cannot be checked because a library is not installed; ``extra`` brings it (exit code 2)."""

    kind = "missing-extra"

    def __init__(self, extra: str, what: str) -> None:
        super().__init__(
            f"{what} cannot be checked: the libraries of dlm[{extra}] are not installed",
            hint=f"install them with `pip install 'dlm[{extra}]'`",
        )
        self.extra = extra


class OfflineError(DlmError):
    """Something is needed under ``--offline`` that the cache does not hold (exit code 5)."""

    code = 5
    kind = "offline"


class PolicyError(DlmError):
    """Refused by policy: a rule of the user's, or one that keeps a project inside its folder (exit code 6)."""

    code = 6
    kind = "policy"


class DriftError(DlmError):
    """Nothing failed, but a check found updates or a tree that differs (exit code 7)."""

    code = 7
    kind = "drift"


class Interrupted(DlmError):  # noqa: N818 - a signal is no error, but it ends a run like one
    """The user or the system asked the run to stop (exit code 130 or 143)."""

    kind = "interrupted"

    def __init__(self, signal: int = 2) -> None:
        super().__init__("interrupted; what is complete is kept, and the next run goes on")
        self.exit_code = 128 + signal


class Failures(DlmError):  # noqa: N818 - several errors, reported as one
    """Several failures of one run; all are reported, and the gravest decides the exit code."""

    kind = "failures"

    def __init__(self, errors: Sequence[DlmError], *, hint: str | None = None) -> None:
        flat: list[DlmError] = []
        for error in errors:
            flat.extend(error.errors if isinstance(error, Failures) else [error])
        if not flat:
            raise ValueError("Failures needs at least one error")
        count = len(flat)
        super().__init__(f"{count} failure{'s' if count != 1 else ''}", hint=hint)
        self.errors: tuple[DlmError, ...] = tuple(flat)


# Integrity first, then policy, offline, a stale lockfile, an invalid document, and plain failure.
_GRAVITY = (4, 6, 5, 3, 2, 1, 7)


def gravest(error: DlmError) -> int:
    """The exit code of ``error``: its own, or for several failures the gravest of theirs."""
    if isinstance(error, Interrupted):
        return error.exit_code
    if isinstance(error, Failures):
        codes = {gravest(one) for one in error.errors}
        return next((code for code in _GRAVITY if code in codes), max(codes))
    return error.code
