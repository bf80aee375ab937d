"""requests in threads, each body checked: ``python peer_requests.py BASE SUMS FOLDER THREADS``.

``SUMS`` has lines of a digest and a name, as ``sha256sum`` writes them. One session a thread, so that connections are
kept, and none that looks into the environment, which costs time; bodies are read in blocks of 1 MiB, which is where
requests is fastest, and hashed as they come.
"""

import hashlib
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import requests

_BLOCK = 1024 * 1024


def main() -> int:
    """Get all files."""
    base, sums, folder, threads = sys.argv[1:]
    mine = threading.local()

    def get(line: str) -> None:
        sha256, name = line.split(maxsplit=1)
        if not hasattr(mine, "session"):
            mine.session = requests.Session()
            mine.session.trust_env = False
            mine.session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
        hashed = hashlib.sha256()
        with mine.session.get(base + name, stream=True) as response:
            response.raise_for_status()
            with open(os.path.join(folder, name), "wb") as out:
                for block in response.iter_content(_BLOCK):
                    hashed.update(block)
                    out.write(block)
        if hashed.hexdigest() != sha256:
            raise SystemExit(f"{name}: wrong digest")

    with open(sums, encoding="ascii") as listed, ThreadPoolExecutor(int(threads)) as pool:
        for _ in pool.map(get, listed.read().splitlines()):
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
