"""Programs that use the packages and programs that use dlm, writing to one cache at the same moment."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from dlm.store.cachedir import Cachedir
from tests.interop.conftest import Predecessor, Start
from tests.support import processes
from tests.support.origin import Origin, Request, Response, Static
from tests.support.stores import StillClock

PLAIN: dict[str, Any] = {"dl_params": {"headers": []}}
FILES = 25

#: Publishes entries of its own, all at addresses that it is given.
PUBLISHER = """
    import hashlib, sys
    from pathlib import Path
    from dlm.store.cachedir import Cachedir
    from tests.support.stores import StillClock
    cache = Cachedir(sys.argv[1], StillClock())
    print("ready", flush=True)
    sys.stdin.readline()
    for uri in sys.argv[2:]:
        source = cache.temporary()
        Path(source).write_bytes(uri.encode())
        cache.publish(source, uri, {"dl_params": {"headers": []}}, {"download_method": "GET"},
                      sha256=hashlib.sha256(uri.encode()).hexdigest())
        assert cache.lookup(uri, {"dl_params": {"headers": []}}) is not None
"""
#: Downloads all addresses that it is given, as a program does.
DOWNLOADER = """
    import sys
    from pathlib import Path
    from dlm import DownloadManager
    manager = DownloadManager(path=sys.argv[1], cache="cachedir", progress=False, retry_backoff=0)
    print("ready", flush=True)
    sys.stdin.readline()
    for url in sys.argv[2:]:
        print(manager.download(url), flush=True)
"""


def body_of(request: Request) -> Response:
    """For each path its own bytes."""
    return Static(request.path.encode() * 500)(request)


def test_entries_of_both(old: Predecessor, start: Start, folder: Path) -> None:
    """Each at addresses of its own: both find all of them afterwards, whole."""
    theirs = [f"https://example.org/theirs/{number}.csv" for number in range(FILES)]
    ours = [[f"https://example.org/ours/{who}-{number}.csv" for number in range(FILES)] for who in range(2)]
    writer = start()
    writer.ask("check", folder)
    with ExitStack() as stack:
        programs = [stack.enter_context(processes.start(PUBLISHER, folder, *some)) for some in ours]
        for program in programs:
            assert program.line() == "ready"
        writer.begin("make_many", folder, uris=theirs, params=PLAIN, body="theirs")
        for program in programs:
            program.tell("go")
        for program in programs:
            program.end()
        writer.end()
    cache = Cachedir(str(folder), StillClock())
    entries = list(cache.records())
    assert all(cache.is_good(entry) for entry in entries)
    expected = [*theirs, *ours[0], *ours[1]]
    assert Counter(entry.uri for entry in entries) == Counter(expected)
    assert len({entry.path for entry in entries}) == len(expected)
    for uri in expected:
        assert old.ask("best", folder, uri=uri, params=PLAIN)["right"], uri
    assert old.ask("check", folder) == "ok"


def test_downloads_of_the_same(old: Predecessor, start: Start, origin: Origin, folder: Path) -> None:
    """Both want the same files at once: everybody gets the right bytes, and later nobody asks again.

    The predecessor locks nothing while it downloads, so a file may come twice. Which version is whose does not matter,
    if the bytes are right.
    """
    origin.otherwise(body_of)
    urls = [f"{origin.url}/data/{number}.csv" for number in range(FILES)]
    writer = start()
    writer.ask("check", folder)
    with ExitStack() as stack:
        programs = [stack.enter_context(processes.start(DOWNLOADER, folder, *urls)) for _ in range(2)]
        for program in programs:
            assert program.line() == "ready"
        writer.begin("download", folder, urls=urls, options={})
        for program in programs:
            program.tell("go")
        given = [program.end().splitlines() for program in programs] + [writer.end()]
    for paths in given:
        for url, path in zip(urls, paths, strict=True):
            assert Path(path).read_bytes() == url.removeprefix(origin.url).encode() * 500
    assert old.ask("check", folder) == "ok"
    count = len(origin.requests)
    old.ask("download", folder, urls=urls, options={})
    with processes.start(DOWNLOADER, folder, *urls) as program:
        assert program.line() == "ready"
        program.tell("go")
        program.end()
    assert len(origin.requests) == count
