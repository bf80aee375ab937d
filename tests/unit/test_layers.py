"""The house keeps its shape: one direction of imports, one door for each library, the world only at the border.

Every import counts, inside functions and for type checkers alone too: what a room may know is what it may name.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src"

#: From the border to the foundation: a floor may name itself where ``SAME`` says so, and what lies below.
FLOORS = ("cli", "workflows", "rooms", "ports", "model", "errors", "signals")
#: Parts that stand side by side and meet in ``workflows``.
ROOMS = frozenset(
    {"documents", "export", "fetch", "import_", "place", "planning", "resolve", "staleness", "state", "store", "verify"}
)
#: Public faces over the whole house: whoever imports dlm as a library comes in here.
FACES = frozenset({"", "__init__", "__main__", "api", "descriptor", "manager", "python_org", "single"})

#: library -> the files that may import it.
DOORS: dict[str, tuple[str, ...]] = {
    "click": ("cli/",),
    "rich": ("cli/",),
    "pydantic": ("documents/manifest_yaml.py", "documents/schema.py"),
    "yaml": (
        "documents/manifest_yaml.py",
        "documents/manifest_edit.py",
        "documents/options_file.py",
    ),
    "requests": ("fetch/requests_backend.py",),
    "urllib3": ("fetch/requests_backend.py",),
    "pycurl": ("fetch/libcurl.py",),
    "sqlite3": ("store/index.py", "store/cachedir.py"),
    "sigstore": ("verify/sigstore.py",),
    "obstore": ("store/remote_object.py",),
    "zstandard": ("place/streams.py",),
}
#: Loaded in a child process by nothing that a quick command does.
HEAVY = ("pydantic", "pydantic_core", "yaml", "requests", "urllib3", "pycurl", "rich", "sqlite3", "importlib.metadata")

FILES = sorted(SOURCE.glob("dlm/**/*.py"))
NAMES = [path.relative_to(SOURCE / "dlm").as_posix() for path in FILES]


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path, name in zip(FILES, NAMES, strict=True):
        yield name, ast.parse(path.read_text(encoding="utf-8"), filename=name)


def imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every module that is named by an import, with its line; ``from a import b`` names ``a`` and ``a.b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, one.name) for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.lineno, node.module or ""
            yield from ((node.lineno, f"{node.module}.{one.name}") for one in node.names)


def part_of(module: str) -> str:
    """``dlm.store.local`` -> ``store``."""
    return module.split(".")[1] if "." in module else ""


def part_of_file(name: str) -> str:
    return name.partition("/")[0].removesuffix(".py")


def floor(part: str) -> int:
    return FLOORS.index("rooms" if part in ROOMS else part)


def test_every_part_has_its_floor() -> None:
    parts = {part_of_file(name) for name in NAMES}
    assert parts - FACES - ROOMS - set(FLOORS) == set()


def test_imports_go_one_way() -> None:
    wrong: list[str] = []
    for name, tree in trees():
        here = part_of_file(name)
        if here in FACES:
            continue
        for line, module in imports(tree):
            there = part_of(module)
            if not module.startswith("dlm.") or there in FACES | {"__version__"}:
                continue
            if there not in ROOMS and there not in FLOORS:
                continue  # an attribute of dlm itself
            same = here == there
            if not same and floor(there) <= floor(here):
                wrong.append(f"{name}:{line} imports {module}")
    assert wrong == []


def test_no_part_of_the_house_needs_a_face_of_it() -> None:
    wrong = [
        f"{name}:{line} imports {module}"
        for name, tree in trees()
        if part_of_file(name) not in FACES | {"cli"}
        for line, module in imports(tree)
        if module.startswith("dlm") and module.count(".") <= 1 and part_of(module) in FACES
    ]
    assert wrong == []


@pytest.mark.parametrize("library", DOORS)
def test_each_library_has_one_door(library: str) -> None:
    wrong = [
        f"{name}:{line} imports {module}"
        for name, tree in trees()
        if not any(name == door or (door.endswith("/") and name.startswith(door)) for door in DOORS[library])
        for line, module in imports(tree)
        if module.split(".")[0] == library
    ]
    assert wrong == []


# What only the border does, and the public faces, which are the border for programs. The wires read the monotonic
# clock for their own timeouts; whatever is written down or decided by time has it from a ``Clock``.
_WORLD = {
    ("sys", "exit"), ("sys", "argv"), ("sys", "stdout"), ("sys", "stderr"), ("sys", "stdin"),
    ("os", "environ"), ("os", "getenv"), ("os", "putenv"), ("os", "getcwd"), ("os", "chdir"),
    ("time", "time"), ("time", "time_ns"), ("time", "localtime"), ("time", "ctime"),
    ("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"),
    ("random", "random"), ("random", "choice"), ("random", "uniform"),
}  # fmt: skip
_WORLDS_NAMES = {f"{module}.{name}" for module, name in _WORLD} | {"random"}


def test_only_the_border_touches_the_world() -> None:
    wrong: list[str] = []
    for name, tree in trees():
        if part_of_file(name) in FACES | {"cli"}:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id in {"print", "input", "exit", "quit", "breakpoint"}:
                wrong.append(f"{name}:{node.lineno} {node.id}")
            if isinstance(node, ast.Attribute):
                owner = node.value
                word = (
                    owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
                )
                if (word, node.attr) in _WORLD:
                    wrong.append(f"{name}:{node.lineno} {word}.{node.attr}")
        wrong.extend(f"{name}:{line} imports {module}" for line, module in imports(tree) if module in _WORLDS_NAMES)
    assert wrong == []


def test_names_that_should_not_exist() -> None:
    stems = {Path(name).stem for name in NAMES}
    assert stems & {"utils", "util", "helpers", "helper", "common", "core", "misc"} == set()


def loaded(*arguments: str) -> set[str]:
    """The heavy libraries that a child process has loaded when it ends."""
    code = (
        "import sys, runpy\n"
        f"sys.argv = ['dlm', *{arguments!r}]\n"
        "try:\n"
        "    runpy.run_module('dlm', run_name='__main__') if sys.argv[1:] else __import__('dlm')\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        f"sys.stderr.write(' '.join(one for one in {HEAVY!r} if one in sys.modules))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(result.stderr.split())


@pytest.mark.parametrize("arguments", [(), ("--version",), ("--help",), ("sync", "--help"), ("lock", "--help")])
def test_what_is_quick_loads_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert loaded(*arguments) == set()


@pytest.mark.parametrize("module", ["dlm.errors", "dlm.ports", "dlm.model.manifest", "dlm.documents.lockfile_json"])
def test_the_foundation_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*(one for one in {HEAVY!r} if one in sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []


def test_errors_import_nothing_of_dlm() -> None:
    tree = ast.parse((SOURCE / "dlm" / "errors.py").read_text(encoding="utf-8"))
    assert [module for _, module in imports(tree) if module.startswith("dlm")] == []
