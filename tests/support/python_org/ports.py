"""The ports that the resolver needs: pages from the site's model without sockets, a notebook in memory, a set clock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from dlm.errors import DlmError, NetworkError, RefusedError
from dlm.model.transfer import Page
from dlm.model.url import Url
from tests.support.python_org.site import Answer

__all__ = ["MemoryNotebook", "SetClock", "SitePages"]


class SetClock:
    """A clock that stands until somebody moves it; ``now`` is in seconds since the epoch."""

    def __init__(self, now: float = 1_795_000_000.0) -> None:
        self.now = now

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def random(self) -> float:
        return 0.5

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class MemoryNotebook:
    """Notes that last as long as the object."""

    def __init__(self, clock: SetClock) -> None:
        self.notes: dict[str, tuple[str, float]] = {}
        self._clock = clock

    def read(self, key: str) -> tuple[str, float] | None:
        return self.notes.get(key)

    def write(self, key: str, text: str) -> None:
        self.notes[key] = (text, self._clock.time())


class SitePages:
    """Reads pages by calling ``respond``; ``asked`` holds every URL in order, ``rounds`` how many each call asked for.

    ``wait`` is called inside each call, before it answers: a test can hold several threads there.
    """

    def __init__(self, respond: Callable[[str], Answer], *, wait: Callable[[], object] = lambda: None) -> None:
        self.asked: list[str] = []
        self.rounds: list[int] = []
        self._respond = respond
        self._wait = wait
        self._lock = threading.Lock()

    def read(self, urls: Sequence[str]) -> list[Page | DlmError]:
        with self._lock:
            self.asked.extend(urls)
            self.rounds.append(len(urls))
        self._wait()
        return [self._page(url) for url in urls]

    def _page(self, url: str) -> Page | DlmError:
        for _ in range(3):
            answer = self._respond(urlsplit(url).path)
            if answer.status not in {301, 302, 307, 308}:
                break
            url = str(Url.parse(url).resolve(answer.headers["Location"]))
        else:
            return NetworkError("too many redirects")
        if answer.status in {401, 403, 404, 410}:
            return RefusedError(f"the server answered {answer.status}", status=answer.status)
        if answer.status != 200:
            return NetworkError(f"the server answered {answer.status}")
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Page(url=Url.parse(url), text=answer.body.decode("utf-8", "replace"), headers=headers)
