"""When to try again, and how long to wait before."""

from __future__ import annotations

import pytest

from dlm.fetch.retry import RetryPolicy, http_date, passing_failure, passing_status, retry_after
from dlm.model.settings import Settings
from dlm.model.wire import Failure, Head


def head(**fields: str) -> Head:
    return Head(status=503, fields=tuple((name.replace("_", "-"), value) for name, value in fields.items()))


class TestWaits:
    def test_double_up_to_the_cap(self) -> None:
        policy = RetryPolicy(backoff=0.5, cap=30.0)
        assert [policy.wait(attempt, lambda: 0.0) for attempt in (1, 2, 3, 7, 8, 1000)] == [0.25, 0.5, 1, 15, 15, 15]

    @pytest.mark.parametrize("chance", [0.0, 0.25, 0.999])
    def test_are_half_fixed_and_half_chance(self, chance: float) -> None:
        assert RetryPolicy(backoff=2.0).wait(1, lambda: chance) == 1.0 + chance

    def test_come_from_the_settings(self) -> None:
        policy = RetryPolicy.of(Settings(retries=7, retry_backoff=1.5, retry_budget=9.0))
        assert (policy.retries, policy.backoff, policy.budget) == (7, 1.5, 9.0)


@pytest.mark.fault("H09")
class TestRetryAfter:
    @pytest.mark.parametrize(("text", "seconds"), [("0", 0.0), ("120", 120.0), ("9" * 30, 1e9), (" 7 ", 7.0)])
    def test_in_seconds(self, text: str, seconds: float) -> None:
        assert retry_after(head(retry_after=text), 0.0) == seconds

    @pytest.mark.parametrize(
        "text", ["", "-1", "soon", "1.5", "1e3", "\u0661", "5, 6", "Sun, 99 Nov 1994 08:49:37 GMT"]
    )
    def test_what_is_neither(self, text: str) -> None:
        assert retry_after(head(retry_after=text), 0.0) is None

    @pytest.mark.parametrize(
        "text",
        ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"],
    )
    def test_a_date_counts_from_the_answers_own(self, text: str) -> None:
        assert retry_after(head(retry_after=text, date="Sun, 06 Nov 1994 08:49:07 GMT"), 5e9) == 30.0

    def test_without_one_it_counts_from_now(self) -> None:
        assert retry_after(head(retry_after="Sun, 06 Nov 1994 08:49:37 GMT"), 784111770.0) == 7.0

    def test_the_past_is_now(self) -> None:
        answer = head(retry_after="Sun, 06 Nov 1994 08:49:37 GMT", date="Mon, 07 Nov 1994 08:49:37 GMT")
        assert retry_after(answer, 0.0) == 0.0


def test_dates_are_read_in_utc() -> None:
    assert http_date("Sun, 06 Nov 1994 08:49:37 GMT") == 784111777.0
    assert http_date("Sun, 06 Nov 1994 09:49:37 +0100") == 784111777.0
    assert http_date("Fri, 31 Dec 99999 00:00:00 GMT") is None


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520, 599])
def test_statuses_that_may_pass(status: int) -> None:
    assert passing_status(status)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 416, 451, 501, 505, 511, 200, 302])
def test_statuses_that_stay(status: int) -> None:
    assert not passing_status(status)


def test_failures_that_stay() -> None:
    lasting = {failure for failure in Failure if not passing_failure(failure)}
    assert lasting == {
        Failure.TLS,
        Failure.TLS_REFUSED,
        Failure.PROXY_TLS,
        Failure.PROXY_DENIED,
        Failure.PROXY_LOGIN,
        Failure.PRIVATE,
        Failure.TOO_LONG,
        Failure.STOPPED,
    }
