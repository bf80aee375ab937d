"""``dlm fetch URL``: one file that stands in no manifest."""

from __future__ import annotations

import io
import json
import mimetypes
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dlm.cli.border import Border, Result
from dlm.errors import LocalError, UsageError
from dlm.model.artifact import Artifact, Blob
from dlm.model.body import Body, Part
from dlm.model.digest import Digest, Digests
from dlm.model.paths import check_filename
from dlm.model.request import RequestWish, canonical_json
from dlm.model.url import Url
from dlm.workflows.download import replacing
from dlm.workflows.fetch import fetch_alone, fetch_past_cache, put, refuse_unfit
from dlm.workflows.run import Run
from dlm.workflows.settle import Modes

if TYPE_CHECKING:
    from dlm.cli.fetch import UrlWish

__all__ = ["fetch_url"]

_HELP = "run `dlm fetch --help`"
_STDOUT = "-"
# What a folder ends in; on Windows a backslash, too.
_SLASHES = ("/", os.sep)


def fetch_url(border: Border, text: str, wish: UrlWish) -> Result:
    """Fetch it, and put it where it is wanted.

    Raises:
        UsageError: the flags do not go together, or make no request.
        DlmError: it could not be had.
    """
    from dlm import __version__
    from dlm.cli.files import DocumentFiles
    from dlm.cli.host import build_run

    artifact = _artifact(text, wish)
    output = wish.output
    if wish.no_cache and output is None:
        raise UsageError("--no-cache keeps the file nowhere", hint="say with -o where it is to be")
    if output == _STDOUT and border.console.json:
        raise UsageError("-o - and --format json both want stdout", hint="give -o a file")
    files = DocumentFiles(border.directory, None, os.path.join(border.directory, "downloads.lock"))
    run = build_run(border.settings, files, border.console, border.environment, __version__)
    modes = Modes(offline=border.mode("offline"))
    if output == _STDOUT:
        blob = _to_stdout(run, artifact, wish, modes)
    elif output is None:
        blob = fetch_alone(run, artifact, modes)
        border.console.data(blob.path)
    else:
        if output.endswith(_SLASHES):
            output += _filename(artifact, output)
        target = os.path.normpath(os.path.join(border.directory, output))
        _refuse_unfit(target, folder=output != wish.output)
        if wish.no_cache:
            with replacing(target) as (file, draft):
                blob = fetch_past_cache(run, artifact, file, draft, modes)
        else:
            blob = fetch_alone(run, artifact, modes)
            if output != wish.output:
                _make_folder(os.path.dirname(target))
            put(run, blob, target)
        border.console.say(f"{output}: {blob.size} bytes, sha256 {blob.sha256}")
    return Result(document={"path": output or blob.path, "size": blob.size, "sha256": blob.sha256})


def _filename(artifact: Artifact, folder: str) -> str:
    """What the file is called in a folder of the user's choice: the last segment of the address."""
    name = Url.parse(artifact.url).filename
    if not name:
        raise UsageError(f"-o {folder} is a folder, and the address names no file", hint=f"name it: -o {folder}NAME")
    try:
        return check_filename(name)
    except ValueError as error:
        raise UsageError(f"-o {folder}: {error}", hint=f"name the file: -o {folder}NAME") from error


def _refuse_unfit(target: str, *, folder: bool) -> None:
    """Raise LocalError where no file can stand.

    Args:
        folder: the folder that it stands in is made if it is missing, once the file is here.
    """
    above = os.path.dirname(target)
    if not folder or os.path.isdir(above):
        refuse_unfit(target)
    elif os.path.lexists(above):
        raise LocalError(f"{above} is no folder", hint="leave the / at the end of -o away to replace the file")


def _make_folder(path: str) -> None:
    """Raises LocalError."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise LocalError(f"cannot make {path}: {error.strerror or error}", hint="choose another folder") from error


def _to_stdout(run: Run, artifact: Artifact, wish: UrlWish, modes: Modes) -> Blob:
    """Nothing is written before all of it is here and checked."""
    out = sys.stdout.buffer
    if wish.no_cache:
        buffer = io.BytesIO()
        blob = fetch_past_cache(run, artifact, buffer, "", modes)
        out.write(buffer.getbuffer())
    else:
        blob = fetch_alone(run, artifact, modes)
        with open(blob.path, "rb") as file:
            while piece := file.read(1024 * 1024):
                out.write(piece)
    out.flush()
    return blob


def _artifact(text: str, wish: UrlWish) -> Artifact:
    try:
        url = Url.parse(text)
        digests = Digests((Digest.parse(wish.sha256),)) if wish.sha256 is not None else Digests()
    except ValueError as error:
        raise UsageError(f"{'--sha256: ' if 'digest' in str(error) else ''}{error}", hint=_HELP) from error
    name = url.filename or url.host
    body = _body(wish)
    return Artifact(
        resource=name,
        filename=name,
        url=text,
        dest="",
        digests=digests,
        headers=_headers(wish.header),
        ask=RequestWish(method="GET" if body is None else "POST", body=body),
    )


def _headers(given: tuple[str, ...]) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    for line in given:
        name, colon, value = line.partition(":")
        name = name.strip()
        if not colon or not name:
            raise UsageError("--header is written as 'Name: value'", hint=_HELP)
        headers[name] = f"{headers[name]}, {value.strip()}" if name in headers else value.strip()
    return headers


def _body(wish: UrlWish) -> Body | None:
    kinds = [flag for flag in ("--data", "--json-body", "--form") if wish.flags()[flag]]
    if len(kinds) > 1:
        raise UsageError(f"{' and '.join(kinds)} are different bodies", hint="give one of them")
    if wish.data:
        return Body(form=tuple(_fields("--data", wish.data)))
    if wish.json_body is not None:
        try:
            return Body(json=canonical_json(json.loads(wish.json_body)))
        except (ValueError, RecursionError) as error:
            raise UsageError(f"--json-body is no JSON: {error}", hint=_HELP) from error
    if wish.form:
        return Body(parts=tuple(_part(name, value) for name, value in _fields("--form", wish.form)))
    return None


def _fields(flag: str, given: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for field in given:
        name, equals, value = field.partition("=")
        if not equals or not name:
            raise UsageError(f"{flag} is written as NAME=VALUE", hint=_HELP)
        yield name, value


def _part(name: str, value: str) -> Part:
    if not value.startswith("@"):
        return Part(name=name, text=value)
    path = Path(value[1:])
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"--form {name}: {path} cannot be read: {error.strerror}", hint=_HELP) from error
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Part(name=name, data=data, filename=path.name, content_type=kind)
