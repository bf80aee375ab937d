"""Errors: each with its exit code; of several, the gravest decides."""

from __future__ import annotations

import pytest

from dlm import errors
from dlm.errors import (
    DlmError,
    DriftError,
    Failures,
    IntegrityError,
    Interrupted,
    LocalError,
    LockfileError,
    ManifestError,
    NetworkError,
    OfflineError,
    PolicyError,
    Problem,
    RefusedError,
    SettingsError,
    StaleError,
    UsageError,
    gravest,
)

CODES = {
    NetworkError: 1, RefusedError: 1, LocalError: 1, UsageError: 2, SettingsError: 2, ManifestError: 2,
    LockfileError: 2, StaleError: 3, IntegrityError: 4, OfflineError: 5, PolicyError: 6, DriftError: 7,
}  # fmt: skip


@pytest.mark.parametrize(("kind", "code"), CODES.items())
def test_codes(kind: type[DlmError], code: int) -> None:
    assert gravest(kind("x")) == code


def test_every_error_has_a_word_of_its_own_for_programs() -> None:
    kinds = [
        one
        for one in vars(errors).values()
        if isinstance(one, type) and issubclass(one, DlmError) and one is not DlmError
    ]
    assert {one.__name__ for one in kinds} <= set(errors.__all__)
    assert len({one.kind for one in kinds}) == len(kinds)


def test_interrupted_runs_end_like_the_shell_says() -> None:
    assert gravest(Interrupted()) == 130
    assert gravest(Interrupted(15)) == 143


def test_the_gravest_of_several_decides() -> None:
    order = [IntegrityError, PolicyError, OfflineError, StaleError, UsageError, NetworkError, DriftError]
    for index, kind in enumerate(order):
        several = Failures([one("x") for one in reversed(order[index:])])
        assert gravest(several) == kind.code


def test_failures_are_flat_and_never_empty() -> None:
    one, two, three = NetworkError("1"), LocalError("2"), PolicyError("3")
    both = Failures([Failures([one, two]), three])
    assert both.errors == (one, two, three)
    assert both.message == "3 failures"
    assert Failures([one]).message == "1 failure"
    assert gravest(both) == 6
    with pytest.raises(ValueError, match="at least one"):
        Failures([])


def test_the_resource_stands_before_the_message() -> None:
    error = DlmError("it happened", resource="tool", hint="do this", details=["a", "b"])
    assert str(error) == "tool: it happened"
    assert str(DlmError("it happened")) == "it happened"
    assert (error.hint, error.details) == ("do this", ("a", "b"))


def test_a_refusal_knows_its_status() -> None:
    assert RefusedError("no", status=404).status == 404
    assert RefusedError("no").status is None


def test_problems_say_where() -> None:
    problem = Problem("is wrong", file="x.yaml", line=3, key="a.b", hint="do this")
    assert str(problem) == "x.yaml:3: a.b: is wrong (do this)"
    assert str(Problem("is wrong", file="x.yaml", line=None, key="")) == "x.yaml: is wrong"
    assert "is wrong" in repr(problem)
    assert ManifestError("x", problems=[problem]).details == (str(problem),)
