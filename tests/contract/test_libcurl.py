"""libcurl without the rest of pycurl: nobody else in the process notices."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pycurl")

#: pycurl as it once was: one module. And a package with other things in it.
SHAPES = ("pycurl.py", "pycurl/__init__.py")


def run(code: str, *, path: Path | None = None) -> str:
    """What a process of its own prints."""
    before = f"import sys; sys.path.insert(0, {str(path)!r})\n" if path is not None else "import sys\n"
    return subprocess.run(
        [sys.executable, "-c", before + code], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_the_package_stays_whole_for_everybody_else() -> None:
    assert (
        run(
            "from dlm.fetch.libcurl import pycurl as ours\n"
            "assert 'pycurl' not in sys.modules and 'asyncio' not in sys.modules\n"
            "import pycurl\n"
            "assert pycurl.Curl is ours.Curl and pycurl.error is ours.error\n"
            "if hasattr(pycurl, '_pycurl'):\n"
            "    from pycurl.async_multi import AsyncCurlMulti\n"
            "    assert pycurl.AsyncCurlMulti is AsyncCurlMulti and pycurl._pycurl is ours\n"
            "handle = pycurl.Curl(); handle.setopt(ours.URL, 'http://x'); print('well')"
        )
        == "well"
    )


def test_what_is_loaded_already_is_taken() -> None:
    assert run("import pycurl; from dlm.fetch.libcurl import pycurl as ours; print(ours is pycurl)") == "True"


@pytest.mark.parametrize("name", SHAPES)
def test_a_pycurl_of_another_shape_is_taken_as_it_is(name: str, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("shape = 'another'")
    assert run("from dlm.fetch.libcurl import pycurl; print(pycurl.shape)", path=tmp_path) == "another"


def test_one_that_cannot_be_loaded_is_an_error_of_imports(tmp_path: Path) -> None:
    (tmp_path / "pycurl.py").write_text("raise ImportError('libcurl.so.4 is missing')")
    code = "try:\n    import dlm.fetch.libcurl\nexcept ImportError as error:\n    print(error)"
    assert run(code, path=tmp_path) == "libcurl.so.4 is missing"
