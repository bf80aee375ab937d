"""An origin over TLS, with HTTP/2, that is python.org below ``/ftp/python/`` and whatever a test wants elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.cli import Desk
from tests.support.origin import Handler, Origin, Raw, Request, Response, Static
from tests.support.python_org.site import PythonOrgSite
from tests.support.tls import authority

__all__ = ["World", "a_world"]


class World:
    """The origin and what it serves."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.site = PythonOrgSite()
        origin.otherwise(self.respond)

    @property
    def url(self) -> str:
        """The origin's address, without a slash at the end."""
        return self.origin.url

    @property
    def count(self) -> int:
        """How many requests have come."""
        return len(self.origin.requests)

    @property
    def paths(self) -> list[str]:
        """What was asked for."""
        return [request.target for request in self.origin.requests]

    def file(self, path: str, body: bytes, *, etag: str | None = None) -> str:
        """Serve a file; its URL."""
        return self.origin.route(path, Static(body, etag=etag or f'"{len(body):x}"'))

    def route(self, path: str, *handlers: Handler | Response | Raw) -> str:
        """Serve whatever is said; its URL."""
        return self.origin.route(path, *handlers)

    def desk(self, base: Path, backend: str = "curl") -> Desk:
        """A user's machine that trusts this origin and takes it for python.org."""
        base.mkdir(parents=True, exist_ok=True)
        return Desk(
            base,
            {
                "DLM_PYTHON_ORG_URL": f"{self.url}/ftp/python/",
                "DLM_CA_FILE": authority().ca_file,
                "DLM_BACKEND": backend,
            },
        )

    def respond(self, request: Request) -> Response:
        """python.org's answer."""
        answer = self.site.respond(request.target, dict(request.headers))
        headers = tuple((name, value) for name, value in answer.headers.items() if name.lower() != "content-length")
        return Response(answer.status, headers, answer.body)


@contextmanager
def a_world(*, http2: bool = True) -> Iterator[World]:
    """An origin that runs."""
    with Origin.secure(http2=http2) as origin:
        yield World(origin)
