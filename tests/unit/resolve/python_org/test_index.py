"""The index of python.org over the stand-in's pages: what is asked, what is kept, what is passed over."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from packaging.version import Version

from dlm.errors import DlmError, NetworkError, OfflineError, ResolutionError, SettingsError
from dlm.model.candidate import Candidate
from dlm.model.selector import Selector
from dlm.model.transfer import Page
from dlm.ports import Resolver
from dlm.resolve.choose import Choice, choose
from dlm.resolve.python_org.index import PythonOrg
from tests.support.python_org.ports import MemoryNotebook, SetClock, SitePages
from tests.support.python_org.records import listing_page
from tests.support.python_org.site import PREFIX, Answer, PythonOrgSite, index_page

ROOT = "https://www.python.org/ftp/python/"


class Run:
    """One run of dlm after another over one site, one notebook and one clock."""

    def __init__(self, site: PythonOrgSite | None = None, *, root_url: str = ROOT) -> None:
        self.site = site or PythonOrgSite()
        self.clock = SetClock()
        self.notebook = MemoryNotebook(self.clock)
        self.root_url = root_url
        self.pages = SitePages(self.site.respond)
        self.index = self.anew()

    def anew(self, *, refresh: bool = False, respond: Callable[[str], Answer] | None = None) -> PythonOrg:
        self.pages = SitePages(respond or self.site.respond)
        self.index = PythonOrg(
            self.pages, self.notebook, self.clock, root_url=self.root_url, listing_ttl=600, refresh=refresh
        )
        return self.index

    def choose(self, text: str) -> Choice:
        selector = Selector.parse(text)
        return choose(
            selector, self.index.candidates(selector), nearby=self.index.candidates, remarks=self.index.remarks
        )

    def names(self, text: str) -> list[str]:
        return [candidate.filename for candidate in self.choose(text).chosen]

    @property
    def asked(self) -> list[str]:
        """What this run asked for, relative to the root; the root is the empty text."""
        return [url.removeprefix(self.root_url) for url in self.pages.asked]


@pytest.fixture
def run() -> Run:
    return Run()


def test_it_is_a_resolver(run: Run) -> None:
    resolver: Resolver = run.index
    assert resolver.scheme == "python"


def test_two_requests_where_the_newest_release_has_it(run: Run) -> None:
    assert run.names("python:3.13.*:source-release:xz") == ["Python-3.13.15.tar.xz"]
    assert run.asked == ["", "3.13.15/"]


def test_ever_more_at_once_where_it_has_not(run: Run) -> None:
    assert run.names("python:3.11.*:windows:exe:arch=arm64") == ["python-3.11.9-arm64.exe"]
    assert run.pages.rounds == [1, 1, 2, 4, 8]
    assert run.asked[1:4] == ["3.11.16/", "3.11.15/", "3.11.14/"]


@pytest.mark.parametrize(
    ("selector", "asked"),
    [
        ("python:3.7.3:windows:exe:arch=amd64", ["", "3.7.3/"]),
        ("python:3.14.0rc1", ["", "3.14.0/"]),
        ("python:3.14.0rc*", ["", "3.14.0/"]),
        ("python:==2.7:source:tgz", ["", "2.7/"]),
        ("python:3.*:file=Python-3.9.3.tgz", ["", "3.9.3/"]),
        ("python:1.5.2:source:tgz", ["", "src/"]),
        ("python:==2.0:source:tgz", ["", "2.0/", "src/"]),
        ("python:2.0:source:tgz", ["", "2.0.1/"]),
        ("python:2.0.1:windows", ["", "2.0.1/"]),
    ],
)
def test_only_the_folders_that_matter_are_read(run: Run, selector: str, asked: list[str]) -> None:
    run.choose(selector)
    assert run.asked == asked


def test_the_oldest_sources_come_last_and_only_where_needed(run: Run) -> None:
    assert run.names("python:<2.1:source:tgz") == ["Python-2.0.1.tgz"]
    assert "src/" not in run.asked
    run.anew()
    chosen = run.names("python:<=2.0,!=1.6:source:tgz:all")
    assert chosen[0] == "python-2.0.tar.gz"
    assert chosen[-1] == "Python-0.9.1.tar.gz"
    assert len(chosen) == 10
    assert run.asked == ["2.0/", "src/"]


def test_all_reads_what_can_match_in_one_go(run: Run) -> None:
    assert len(run.names("python:3.12.*:source:xz:all")) == 15
    assert run.pages.rounds == [1, 15]


def test_what_selectors_mean_on_the_recorded_tree(run: Run) -> None:
    assert run.names("python:latest:pre") == ["Python-3.15.0rc2.tar.xz"]
    assert run.names("python:3.7.2:windows:zip:embed:arch=win32") == ["python-3.7.2.post1-embed-win32.zip"]
    assert run.names("python:3.10.0:macos") == ["python-3.10.0-macos11.pkg"]
    assert run.names("python:3.10.0:macos:post=2") == ["python-3.10.0post2-macos11.pkg"]
    assert run.names("python:2.3.2:windows") == ["Python-2.3.2-1.exe"]
    assert run.names("python:3.13.0rc1:macos:no_lto") == ["python-3.13.0rc1-no-lto-macos11.pkg"]
    assert run.names("python:3.13:windows:zip:freethreaded:arch=amd64") == ["python-3.13.13t-amd64.zip"]
    assert run.names("python:3.5.0a4:windows:exe:embed:arch=amd64") == ["python-3.5.0a4-embed-amd64.exe"]
    assert run.names("python:2.7.18:windows-support:arch=amd64") == ["python-2.7.18.amd64-pdb.zip"]


LAST_BUILDS = [
    ("2.6", "2.6.6"), ("2.7", "2.7.18"), ("3.3", "3.3.5"), ("3.4", "3.4.4"), ("3.5", "3.5.4"), ("3.6", "3.6.8"),
    ("3.7", "3.7.9"), ("3.8", "3.8.10"), ("3.9", "3.9.13"), ("3.10", "3.10.11"), ("3.11", "3.11.9"),
    ("3.12", "3.12.10"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "version"), LAST_BUILDS)
def test_the_last_builds_of_lines_that_went_on_as_source(run: Run, line: str, version: str) -> None:
    form = "msi" if line in {"2.6", "2.7", "3.3", "3.4"} else "exe"
    (found,) = run.choose(f"python:{line}:windows:{form}:arch=amd64").chosen
    assert found.version == version
    (source,) = run.choose(f"python:{line}:source:tgz").chosen
    assert Version(source.version) >= Version(version)
    assert (source.version == version) == (line == "2.7")


def test_no_match_on_the_recorded_tree(run: Run) -> None:
    with pytest.raises(ResolutionError) as caught:
        run.choose("python:3.12.12:windows:exe:arch=amd64")
    assert caught.value.message == (
        "nothing matches python:3.12.12:windows-release:exe:arch=amd64: "
        "newest 3.12 with an exe (arch=amd64) is 3.12.10; 3.12.11 to 3.12.14 are source only"
    )


@pytest.mark.fault("C04")
def test_a_recalled_release(run: Run) -> None:
    assert run.names("python:<=3.9.3") == ["Python-3.9.2.tar.xz"]
    assert run.names("python:3.9.3") == ["Python-3.9.3.tar.xz"]


def test_a_candidate_says_what_the_listing_says(run: Run) -> None:
    (found,) = run.choose("python:3.13:windows:exe:arch=amd64").chosen
    assert found == Candidate(
        url=f"{ROOT}3.13.15/python-3.13.15-amd64.exe",
        filename="python-3.13.15-amd64.exe",
        version="3.13.15",
        type="windows-release",
        format="exe",
        values={"arch": "amd64"},
        size=len(run.site.body("3.13.15/python-3.13.15-amd64.exe")),
    )
    assert run.index.canonical_url(found) == found.url


def test_releases_and_the_whole_tree(run: Run) -> None:
    assert run.index.releases()[:3] == ("3.15.0", "3.14.8", "3.14.7")
    assert run.index.releases()[-1] == "2.0"
    assert run.asked == [""]
    assert sum(len(batch) for batch in run.index.list_all()) == 4136
    assert run.pages.rounds == [1, 64, 64, 64, 64, 12]


def test_some_folders_at_once(run: Run) -> None:
    newest, oldest, gone = run.index.read(["3.13.15", "src", "3.99.0"])
    assert {one.version for one in newest} == {"3.13.15"}
    assert "Python-1.5.2.tgz" not in {one.filename for one in newest}
    assert {one.version for one in oldest} >= {"0.9.1", "1.5.2"}
    assert gone == ()
    assert run.pages.rounds == [1, 2]


def test_a_folder_that_cannot_be_read_is_no_empty_folder(run: Run) -> None:
    def respond(path: str) -> Answer:
        return Answer(503) if path.endswith("/3.13.15/") else run.site.respond(path)

    run.anew(respond=respond)
    with pytest.raises(NetworkError, match=r"3\.13\.15/ could not be read"):
        run.index.read(["3.13.14", "3.13.15"])


def test_sidecars_are_told_with_their_file(run: Run) -> None:
    (found,) = run.choose("python:3.12.2:source:xz").chosen
    assert found.sidecars == (".asc", ".crt", ".sig", ".sigstore", ".spdx.json")
    (replaced,) = run.choose("python:3.10.0:file=python-3.10.0-macos11.pkg_superceded").chosen
    assert replaced.sidecars == ()


# -- what is kept between runs


def test_a_second_run_asks_nothing_while_the_root_is_fresh(run: Run) -> None:
    run.choose("python:3.13.*")
    run.clock.now += 599
    run.anew()
    assert run.names("python:3.13.*") == ["Python-3.13.15.tar.xz"]
    assert run.asked == []


def test_a_stale_root_is_read_again_and_its_dates_spare_the_rest(run: Run) -> None:
    run.choose("python:3.13.*")
    run.clock.now += 600
    run.anew()
    run.choose("python:3.13.*")
    assert run.asked == [""]


def test_a_folder_whose_date_changed_is_read_again(run: Run) -> None:
    run.choose("python:3.13.*")
    run.site.put("3.13.15/Python-3.13.15.tgz", modified=int(run.clock.now // 60))
    run.clock.now += 600
    run.anew()
    assert run.names("python:3.13.*:source:tgz") == ["Python-3.13.15.tgz"]
    assert run.asked == ["", "3.13.15/"]


def test_a_new_release_is_seen_when_the_root_is_read_again(run: Run) -> None:
    run.choose("python:3.13.*")
    run.site.put("3.13.16/Python-3.13.16.tar.xz", modified=int(run.clock.now // 60))
    run.anew()
    assert run.names("python:3.13.*") == ["Python-3.13.15.tar.xz"]
    run.anew(refresh=True)
    assert run.names("python:3.13.*") == ["Python-3.13.16.tar.xz"]


def test_refresh_reads_all_anew_but_each_once(run: Run) -> None:
    run.choose("python:3.13.*")
    run.anew(refresh=True)
    run.choose("python:3.13.*")
    run.choose("python:3.13.*:macos")
    assert run.asked == ["", "3.13.15/"]


@pytest.mark.parametrize(("minutes_before", "again"), [(0, True), (1, True), (2, True), (3, False), (60, False)])
def test_a_folder_that_changed_as_it_was_read_is_read_again(run: Run, minutes_before: int, again: bool) -> None:
    run.clock.now = 29_900_000 * 60.0
    run.site.date("3.13.15", 29_900_000 - minutes_before)
    run.choose("python:3.13.*")
    run.clock.now += 300
    run.anew()
    run.choose("python:3.13.*")
    assert run.asked == (["3.13.15/"] if again else [])


def test_a_clock_that_jumped_back_proves_nothing(run: Run) -> None:
    run.choose("python:3.13.*")
    run.clock.now -= 1
    run.anew()
    run.choose("python:3.13.*")
    assert run.asked == ["", "3.13.15/"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "null",
        "[" * 100_000,
        '{"format": 1, "read_at": 1, "date": null, "page": "https://x.example/", "text": ""}',
        '{"format": 2}',
        '{"format": 2, "read_at": "x", "date": null, "entries": []}',
        '{"format": 2, "read_at": 1, "date": "x", "entries": []}',
        '{"format": 2, "read_at": 1, "date": 1, "entries": 1}',
        '{"format": 2, "read_at": 1, "date": 1, "entries": [1]}',
        '{"format": 2, "read_at": 1, "date": 1, "entries": [["3.13.15", true, null]]}',
        '{"format": 2, "read_at": 1, "date": 1, "entries": [["3.13.15", 1, null, null]]}',
        '{"format": 2, "read_at": 1, "date": 1, "entries": [[5, true, null, null]]}',
        '{"format": 2, "read_at": 1, "date": 1, "entries": [["3.13.15", true, null, "5"]]}',
    ],
)
def test_a_note_that_is_none_is_read_anew(run: Run, text: str) -> None:
    run.notebook.write(f"listing {ROOT}", text)
    run.notebook.write(f"listing {ROOT}3.13.15/", text)
    assert run.names("python:3.13.*") == ["Python-3.13.15.tar.xz"]
    assert run.asked == ["", "3.13.15/"]


def test_two_mirrors_keep_their_notes_apart(run: Run) -> None:
    run.choose("python:3.13.*")
    other = Run(run.site, root_url="https://mirror.example.net/ftp/python/")
    other.notebook = run.notebook
    other.anew()
    other.choose("python:3.13.*")
    assert other.asked == ["", "3.13.15/"]


def test_an_empty_folder_is_noted_like_any_other(run: Run) -> None:
    run.site.put("3.13.16/", modified=29_000_000)
    run.site.date("3.13.16", 29_000_000)
    run.choose("python:3.13.*")
    run.clock.now += 60
    run.anew()
    run.choose("python:3.13.*")
    assert run.asked == []


def test_a_page_that_is_no_listing_is_not_noted(run: Run) -> None:
    def respond(path: str) -> Answer:
        page = b'<a href="https://portal.example/">Sign in</a> <a href="terms">Terms</a>'
        return Answer(200, {}, page) if path.endswith("/3.13.15/") else run.site.respond(path)

    run.anew(respond=respond)
    assert run.names("python:3.13.*") == ["Python-3.13.14.tar.xz"]
    run.anew()
    assert run.names("python:3.13.*") == ["Python-3.13.15.tar.xz"]
    assert run.asked == ["3.13.15/"]


# -- mirrors


def test_a_mirror_serves_and_the_lockfile_keeps_python_org() -> None:
    run = Run(PythonOrgSite(prefix="/python/"), root_url="http://mirror.example.net:8080/python")
    (found,) = run.choose("python:3.13.*").chosen
    assert found.url == "http://mirror.example.net:8080/python/3.13.15/Python-3.13.15.tar.xz"
    assert run.index.canonical_url(found) == f"{ROOT}3.13.15/Python-3.13.15.tar.xz"
    with pytest.raises(ValueError, match="is not below"):
        run.index.canonical_url(Run().choose("python:3.13.*").chosen[0])


def test_a_redirect_of_a_page_moves_no_artifact(run: Run) -> None:
    def respond(path: str) -> Answer:
        if path.startswith(PREFIX):
            return Answer(301, {"Location": path.replace(PREFIX, "https://elsewhere.example/python/", 1)})
        return run.site.respond(path.replace("/python/", PREFIX, 1))

    run.anew(respond=respond)
    (found,) = run.choose("python:3.13.*").chosen
    assert found.url == f"{ROOT}3.13.15/Python-3.13.15.tar.xz"


def test_a_mirror_that_lists_in_json() -> None:
    def respond(path: str) -> Answer:
        rows = {
            "/-/binary/python/": [{"name": "3.13.0/", "type": "dir", "modified": "2024-10-07T15:31:00.000Z"}],
            "/-/binary/python/3.13.0/": [
                {"name": "Python-3.13.0.tar.xz", "type": "file", "size": 22, "url": "https://cdn.example/x.tar.xz"}
            ],
        }[path]
        return Answer(200, {"Content-Type": "application/json"}, json.dumps(rows).encode())

    run = Run(root_url="https://registry.example/-/binary/python/")
    run.anew(respond=respond)
    (found,) = run.choose("python:3.13.*").chosen
    assert (found.url, found.size) == ("https://registry.example/-/binary/python/3.13.0/Python-3.13.0.tar.xz", 22)


def test_a_mirror_without_dates_is_read_again_after_a_while() -> None:
    def respond(path: str) -> Answer:
        name = {PREFIX: "3.13.0/", f"{PREFIX}3.13.0/": "Python-3.13.0.tar.xz"}[path]
        return Answer(200, {}, f'<a href="{name}">x</a>'.encode())

    run = Run()
    run.anew(respond=respond)
    run.choose("python:3.13.*")
    run.anew(respond=respond)
    run.choose("python:3.13.*")
    assert run.asked == []
    run.clock.now += 600
    run.anew(respond=respond)
    run.choose("python:3.13.*")
    assert run.asked == ["", "3.13.0/"]


@pytest.mark.parametrize(
    "url", ["", "ftp://x.example/", "https://user:secret@x.example/", "https://x.example/?token=secret", "x"]
)
def test_an_address_that_cannot_be_a_root(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Run(root_url=url)
    assert "secret" not in str(caught.value)
    assert "python_org_url" in caught.value.message


# -- what goes wrong


def broken(site: PythonOrgSite, **answers: int) -> Callable[[str], Answer]:
    """The site, with another status for some folders (written with underscores)."""
    statuses = {PREFIX + folder.lstrip("v").replace("_", ".") + "/": status for folder, status in answers.items()}
    return lambda path: Answer(statuses[path], {}) if path in statuses else site.respond(path)


def test_a_folder_that_is_gone_is_passed_over(run: Run) -> None:
    run.anew(respond=broken(run.site, v3_13_15=404))
    assert run.names("python:3.13.*:source:tgz") == ["Python-3.13.14.tgz"]
    assert run.index.remarks() == (f"3.13.15/ is listed by {ROOT} and is not there (404)",)
    with pytest.raises(ResolutionError) as caught:
        run.choose("python:3.13.15")
    assert run.index.remarks()[0] in caught.value.details


@pytest.mark.parametrize("status", [403, 410, 500])
def test_a_folder_that_cannot_be_read_is_an_error(run: Run, status: int) -> None:
    run.anew(respond=broken(run.site, v3_13_15=status))
    with pytest.raises(NetworkError) as caught:
        run.choose("python:3.13.*")
    assert caught.value.message == f"the listing {ROOT}3.13.15/ could not be read: the server answered {status}"
    assert caught.value.hint


def test_an_error_counts_only_where_its_folder_is_needed(run: Run) -> None:
    respond = broken(run.site, v3_12_11=500)
    run.anew(respond=respond)
    # 3.12.14 is read alone, 3.12.13 and 3.12.12 together, then 3.12.11 to 3.12.8.
    assert run.names("python:3.12.*:source:tgz") == ["Python-3.12.13.tgz"]
    with pytest.raises(NetworkError, match=r"3\.12\.11/ could not be read"):
        run.choose("python:3.12.*:windows:exe:arch=amd64")


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_root_that_cannot_be_read(run: Run, status: int) -> None:
    run.anew(respond=lambda _: Answer(status))
    with pytest.raises(NetworkError) as caught:
        run.choose("python:3.13.*")
    assert f"the listing {ROOT} could not be read" in caught.value.message
    assert run.notebook.notes == {}


@pytest.mark.parametrize("body", [b"", b"<html><a href='/login'>Sign in</a>", b"[]", b"\xff\xfe"])
def test_a_root_that_is_no_listing(run: Run, body: bytes) -> None:
    run.anew(respond=lambda _: Answer(200, {}, body))
    with pytest.raises(NetworkError, match="lists no releases of Python") as caught:
        run.choose("python:3.13.*")
    assert caught.value.hint is not None
    assert "python_org_url" in caught.value.hint
    assert run.notebook.notes == {}


def test_an_error_that_is_no_networks_stays_what_it_is(run: Run) -> None:
    class NoPages:
        def read(self, urls: list[str]) -> list[Page | DlmError]:
            return [OfflineError("no listing without the network") for _ in urls]

    index = PythonOrg(NoPages(), run.notebook, run.clock, listing_ttl=600)  # type: ignore[arg-type]  # lists are handed in
    with pytest.raises(OfflineError):
        list(index.candidates(Selector.parse("python:3.13.*")))


@pytest.mark.fault("C06")
def test_a_hostile_tree() -> None:
    def respond(path: str) -> Answer:
        bad = "3.13.1111111111111111111111/"
        if path == PREFIX:
            rows = [(name, 29_000_000, None) for name in ("3.13.2/", "3.13.1/", bad, "3.13.9x/", "03.14.0/", "latest/")]
            links = "<base href='https://evil.example/'>" + "".join(
                f'<a href="{href}">x</a>\n'
                for href in ("//evil.example/3.99.0/", "../3.98.0/", "javascript:3.97.0/", "3.96.0/%2e%2e/3.95.0/x/")
            )
            return Answer(200, {}, (links + index_page(PREFIX, rows)).encode())
        if path == f"{PREFIX}3.13.2/":
            names = [
                "Python-3.13.3.tar.xz",
                "Pyth0n-3.13.2.tar.xz",
                "Python-3.13.2.tar.xz.exe",
                "Python-3.13.2.tar.xz\x1b",
            ]
            links = "".join(
                f'<a href="{href}">Python-3.13.2.tar.xz</a> 01-Jan-2026 10:00 5\n'
                for href in (
                    *names,
                    "https://evil.example/ftp/python/3.13.2/Python-3.13.2.tar.xz",
                    "//evil.example/Python-3.13.2.tar.xz",
                    "../3.13.1/Python-3.13.2.tar.xz",
                    "Python-3.13.2.tar.xz%00.sig",
                    "javascript:Python-3.13.2.tar.xz",
                    "x/Python-3.13.2.tar.xz",
                    "Python-3.13.2.tar.xz?a=b",
                )
            )
            return Answer(200, {}, links.encode())
        if path == f"{PREFIX}3.13.1/":
            return Answer(200, {}, index_page(path, [("Python-3.13.1.tar.xz", 29_000_000, 5)]).encode())
        raise AssertionError(path)

    run = Run()
    run.anew(respond=respond)
    assert run.index.releases() == ("3.13.2", "3.13.1")
    assert run.names("python:latest") == ["Python-3.13.1.tar.xz"]
    assert run.asked == ["", "3.13.2/", "3.13.1/"]


def test_the_real_pages_of_2022() -> None:
    real = {
        PREFIX: listing_page("root-2022-10"),
        f"{PREFIX}src/": listing_page("src-2022-10"),
        f"{PREFIX}3.7.3/": listing_page("3.7.3-2022-10"),
    }
    run = Run()
    run.anew(respond=lambda path: Answer(200, {}, real[path].encode()))
    (found,) = run.choose("python:3.7.3:source:tgz").chosen
    assert found.size == 22973527
    assert run.names("python:3.7.3rc1:windows:zip:embed:arch=amd64") == ["python-3.7.3rc1-embed-amd64.zip"]
    assert run.names("python:1.5.2:source:tgz") == ["python-1.5.2.tar.gz"]
    assert run.index.releases()[0] == "3.11.0"


# -- threads


def test_each_page_is_read_once_by_many_threads(run: Run) -> None:
    texts = ["python:3.13.*", "python:3.13:macos", "python:3.12:windows:exe:arch=amd64", "python:3.12.*"] * 4
    together = threading.Barrier(len(texts))

    def one(text: str) -> list[str]:
        together.wait()
        return run.names(text)

    with ThreadPoolExecutor(len(texts)) as pool:
        found = list(pool.map(one, texts))
    assert found[:4] * 4 == found
    assert len(run.asked) == len(set(run.asked))


def test_who_comes_later_waits_for_the_page_on_its_way() -> None:
    run = Run()
    inside, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        inside.set()
        go_on.wait()

    run.pages = SitePages(run.site.respond, wait=wait)
    run.index = PythonOrg(run.pages, run.notebook, run.clock, listing_ttl=600)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(run.names, "python:3.13.*")
        inside.wait()
        second = pool.submit(run.names, "python:3.13.*")
        go_on.set()
        assert first.result() == second.result() == ["Python-3.13.15.tar.xz"]
    assert run.asked == ["", "3.13.15/"]


def test_a_failure_reaches_all_who_wait(run: Run) -> None:
    run.anew(respond=lambda _: Answer(500))
    for _ in range(2):
        with pytest.raises(NetworkError):
            run.choose("python:3.13.*")
    assert run.asked == [""]
