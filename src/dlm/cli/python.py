"""``dlm python``: the index of python.org by itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, TextIO

import click

from dlm import __version__
from dlm.cli.command import Border, Result, command, network_options
from dlm.cli.console import human_size
from dlm.cli.files import DocumentFiles
from dlm.cli.host import build_run
from dlm.errors import UsageError
from dlm.model.candidate import Candidate
from dlm.model.selector import Selector
from dlm.workflows.python_org import (
    Release,
    deliver,
    every_release,
    index_of,
    newest,
    newest_of_each_line,
    select,
    selector_for,
    tree_file,
)
from dlm.workflows.run import ListingAge, Run

__all__ = ["python", "show_table"]

_REFRESH = click.option("--refresh", is_flag=True, help="Read every listing anew, whatever its date.")
_PRE = click.option("--pre", is_flag=True, help="Let alphas, betas and candidates count.")


@click.group("python")
def python() -> None:
    """Look into the index of python.org, and download from it, without a project.

    \b
    Examples:
      dlm python versions
      dlm python artifacts 3.13.2
      dlm python latest 3.12
      dlm python download 3.13:windows:exe:arch=amd64 -o dist
    """


@command("versions")
@click.option("--all", "every", is_flag=True, help="Every release, not only the newest of each line.")
@_PRE
@_REFRESH
@network_options
def versions(border: Border, *, every: bool, pre: bool, refresh: bool) -> Result:
    """List the newest release of each line of Python, or all releases.

    \b
    Examples:
      dlm python versions
      dlm python versions --all --pre
    """
    index = index_of(_run(border), _age(refresh))
    found = every_release(index, pre=pre) if every else newest_of_each_line(index, pre=pre)
    rows = [(one.version, ", ".join(one.types), "withdrawn" if one.withdrawn else "") for one in found]
    _show(border, ("Version", "Types", "Remark"), rows)
    return Result(document={"versions": [_release_document(one) for one in found]})


@command("artifacts")
@click.argument("version")
@_PRE
@_REFRESH
@network_options
def artifacts(border: Border, *, version: str, pre: bool, refresh: bool) -> Result:
    """List the files of one release: an exact one, or the newest of a line.

    \b
    Examples:
      dlm python artifacts 3.13.2
      dlm python artifacts 3.14.0rc1
      dlm python artifacts 3.13
    """
    if ":" in version:
        raise UsageError(f"{version!r} is more than a version", hint="write one like 3.13.2, 3.14.0rc1 or 3.13")
    index = index_of(_run(border), _age(refresh))
    release = newest(index, _selector(version, pre=pre))
    rows = [
        (one.filename, one.type, one.format, _options(one), _size(one), " ".join(one.sidecars)) for one in release.files
    ]
    _show(border, ("File", "Type", "Format", "Options", "Size", "Related"), rows)
    return Result(
        document={
            "version": release.version,
            "final": release.is_final,
            "withdrawn": release.withdrawn,
            "artifacts": [
                {
                    **_file_document(one, tree_file(index, one).url),
                    "related": list(one.sidecars),
                    "selector": selector_for(one, release.files),
                }
                for one in release.files
            ],
        }
    )


@command("latest")
@click.argument("spec", default="latest")
@_PRE
@_REFRESH
@network_options
def latest(border: Border, *, spec: str, pre: bool, refresh: bool) -> Result:
    """Print the newest version, of all or of those that SPEC means; with a TYPE, the newest that has such a file.

    \b
    Examples:
      dlm python latest
      dlm python latest 3.12
      dlm python latest 3.12:windows:exe:arch=amd64
    """
    selector = _selector(spec, pre=pre)
    index = index_of(_run(border), _age(refresh))
    passed: tuple[str, ...] = ()
    if ":" in spec.removeprefix("python:"):
        chosen, passed = select(index, selector)
        found = chosen[0].version
    else:
        found = newest(index, selector).version
    border.console.data(found)
    for sentence in passed:
        border.console.say(f"Passed over: {sentence}.")
    return Result(document={"version": found, "passed_over": list(passed)})


@command("download")
@click.argument("selector")
@click.option("-o", "--output", metavar="DIR", default=".", help="The folder to put it in; made where it is missing.")
@click.option("--force", is_flag=True, help="Replace a file of that name that has other bytes.")
@_PRE
@_REFRESH
@network_options
def download(border: Border, *, selector: str, output: str, force: bool, pre: bool, refresh: bool) -> Result:
    """Download what a selector means, and print where it is. Each file appears whole and verified, or not at all.

    \b
    Examples:
      dlm python download 3.13
      dlm python download 3.12:windows:exe:arch=amd64 -o dist
      dlm python download python:3.13.*:source:tgz:all -o mirror
    """
    wanted = _selector(selector, pre=pre)
    run = _run(border)
    index = index_of(run, _age(refresh))
    chosen, passed = select(index, wanted)
    for sentence in passed:
        border.console.say(f"Passed over: {sentence}.")
    files = [tree_file(index, one) for one in chosen]
    done = deliver(run, files, os.path.join(border.directory, output), replace=force)
    documents: list[dict[str, Any]] = []
    for one, file, delivered in zip(chosen, files, done, strict=True):
        path = os.path.normpath(os.path.join(output, one.filename))
        border.console.data(path)
        if delivered.unchanged:
            border.console.say(f"{path} is as it should be already.")
        documents.append(
            {
                **_file_document(one, file.url),
                "path": path,
                "size": delivered.blob.size,
                "sha256": delivered.blob.sha256,
                "unchanged": delivered.unchanged,
            }
        )
    return Result(document={"selector": str(wanted), "files": documents, "passed_over": list(passed)})


@command("report")
@click.option("--final", is_flag=True, help="Leave out alphas, betas and candidates.")
@_REFRESH
@network_options
def report(border: Border, *, final: bool, refresh: bool) -> Result:
    """List every file of every release.

    \b
    Examples:
      dlm python report
      dlm python report --final | grep arm64
    """
    index = index_of(_run(border), _age(refresh))
    found = [(one, tree_file(index, one)) for release in every_release(index, pre=not final) for one in release.files]
    rows = [(one.version, one.type, one.format, _options(one), file.path) for one, file in found]
    _show(border, ("Version", "Type", "Format", "Options", "Path"), rows)
    return Result(
        document={
            "artifacts": [{**_file_document(one, file.url), "related": list(one.sidecars)} for one, file in found]
        }
    )


for _command in (versions, artifacts, latest, download, report):
    python.add_command(_command)


def show_table(header: Sequence[str], rows: Sequence[Sequence[str]], out: TextIO, *, color: bool = True) -> None:
    """A table on a terminal; elsewhere a whole line for each row with tabs between its columns, and no header."""
    if not out.isatty():
        out.writelines("\t".join(row).rstrip("\t") + "\n" for row in rows)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*header, header_style="bold")
    for row in rows:
        table.add_row(*row)
    Console(file=out, no_color=not color, markup=False, highlight=False).print(table)


def _show(border: Border, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if not border.console.json:
        show_table(header, rows, sys.stdout, color=border.console.style("x", "bold") != "x")


def _run(border: Border) -> Run:
    files = DocumentFiles(border.directory, None, os.path.join(border.directory, "downloads.lock"))
    return build_run(border.settings, files, border.console, border.environment, __version__)


def _age(refresh: bool) -> ListingAge:
    return "anew" if refresh else "dated"


def _selector(text: str, *, pre: bool) -> Selector:
    try:
        return Selector.parse(f"python:{text.removeprefix('python:')}{':pre' if pre else ''}")
    except ValueError as error:
        raise UsageError(
            str(error), hint="write it like 3.13, 3.13.2, latest or 3.12:windows:exe:arch=amd64"
        ) from error


def _options(one: Candidate) -> str:
    return " ".join([*sorted(one.flags), *(f"{name}={value}" for name, value in one.values.items())])


def _size(one: Candidate) -> str:
    return "" if one.size is None else human_size(one.size)


def _release_document(one: Release) -> dict[str, Any]:
    return {
        "version": one.version,
        "final": one.is_final,
        "withdrawn": one.withdrawn,
        "types": list(one.types),
        "files": len(one.files),
    }


def _file_document(one: Candidate, url: str) -> dict[str, Any]:
    return {
        "filename": one.filename,
        "version": one.version,
        "type": one.type,
        "format": one.format,
        "flags": sorted(one.flags),
        "values": dict(one.values),
        "url": url,
        "size": one.size,
    }
