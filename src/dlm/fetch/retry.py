"""When to try again, and how long to wait before: pure, without clock and without wire."""

from __future__ import annotations

import re
from collections.abc import Callable

from dlm.model.frozen import dataclass
from dlm.model.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.model.settings import Settings
    from dlm.model.wire import Head

__all__ = ["RetryPolicy", "http_date", "passing_failure", "passing_status", "retry_after"]

#: Statuses that ask to come back: RFC 9110 15.5.9 (408), RFC 8470 (425), RFC 6585 (429).
_PASSING = frozenset({408, 425, 429})
#: Server errors that no waiting mends: an unknown method, version, extension, network login.
_LASTING = frozenset({501, 505, 510, 511})
_FINAL_FAILURES = frozenset({
    Failure.TLS, Failure.TLS_REFUSED, Failure.PROXY_TLS, Failure.PROXY_DENIED, Failure.PROXY_LOGIN, Failure.PRIVATE,
    Failure.TOO_LONG, Failure.STOPPED,
})  # fmt: skip
_FAR_FUTURE = 1e9
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
#: Days from the first day of the year 1 to the first of 1970, in the Gregorian calendar.
_EPOCH = 719_162


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often, and how patiently.

    Attributes:
        retries: further attempts per source after the first.
        backoff: seconds before the first further attempt; doubled for each one after.
        budget: most seconds that one artifact spends waiting, at all its sources together.
        cap: most seconds of one wait that no server asked for.
    """

    retries: int = 4
    backoff: float = 0.5
    budget: float = 120.0
    cap: float = 30.0

    @classmethod
    def of(cls, settings: Settings) -> RetryPolicy:
        """The policy that ``settings`` ask for."""
        return cls(retries=settings.retries, backoff=settings.retry_backoff, budget=settings.retry_budget)

    def wait(self, attempt: int, random: Callable[[], float]) -> float:
        """Seconds before further attempt ``attempt`` (1 is the first one): half of it fixed, half by chance.

        The fixed half keeps a struggling server from being asked again at once; the other half keeps many
        clients that failed together from coming back together.
        """
        ceiling = min(self.cap, self.backoff * 2.0 ** min(attempt - 1, 32))
        return ceiling / 2 + random() * ceiling / 2


def passing_status(status: int) -> bool:
    """Whether an answer with ``status`` may well be another one in a while."""
    return status in _PASSING or (500 <= status <= 599 and status not in _LASTING)


def passing_failure(failure: Failure) -> bool:
    """Whether an exchange that ended with ``failure`` may go well in a while."""
    return failure not in _FINAL_FAILURES


def retry_after(head: Head, now: float) -> float | None:
    """The seconds that an answer's Retry-After asks to wait (RFC 9110 10.2.3), or None where it asks nothing.

    A date is taken relative to the answer's own Date, so that a wrong clock here does no harm; ``now`` (seconds
    since the epoch) stands in where there is none. Never negative.
    """
    text = (head.get("retry-after") or "").strip()
    if text.isascii() and text.isdigit():
        return float(text) if len(text) <= 9 else _FAR_FUTURE
    moment = http_date(text)
    if moment is None:
        return None
    answered = http_date(head.get("date") or "")
    return max(0.0, moment - (now if answered is None else answered))


def _fixdate(text: str) -> float | None:
    """The same for the one form that is sent today (IMF-fixdate), or None: what reads all forms is slow to load."""
    found = re.fullmatch(
        r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{2}) ([A-Z][a-z]{2}) ([1-9][0-9]{3})"
        r" ([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]) GMT",
        text,
    )
    if found is None or found[2] not in _MONTHS:
        return None
    month, day, year = _MONTHS.index(found[2]) + 1, int(found[1]), int(found[3])
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= day <= (29 if month == 2 and leap else _DAYS[month - 1]):
        return None
    before = year - 1
    days = 365 * before + before // 4 - before // 100 + before // 400 - _EPOCH
    days += sum(_DAYS[: month - 1]) + (1 if leap and month > 2 else 0) + day - 1
    return float(((days * 24 + int(found[4])) * 60 + int(found[5])) * 60 + int(found[6]))


def http_date(text: str) -> float | None:
    """Seconds since the epoch for a date in any of the forms of RFC 9110 5.6.7, or None."""
    if not text:
        return None
    usual = _fixdate(text)
    if usual is not None:
        return usual
    import email.utils  # for the forms that nobody may send any more
    from datetime import UTC, datetime

    parts = email.utils.parsedate_tz(text)
    if parts is None:
        return None
    try:
        moment = datetime(*parts[:6], tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return moment.timestamp() - (parts[9] or 0)
