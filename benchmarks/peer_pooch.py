"""pooch in threads: ``python peer_pooch.py BASE SUMS FOLDER THREADS``, with a registry of digests, as it checks them.

``SUMS`` has lines of a digest and a name, as ``sha256sum`` writes them.
"""

import logging
import sys
from concurrent.futures import ThreadPoolExecutor

import pooch


def main() -> int:
    """Get all files."""
    base, sums, folder, threads = sys.argv[1:]
    with open(sums, encoding="ascii") as listed:
        registry = {name: sha256 for sha256, name in (line.split(maxsplit=1) for line in listed.read().splitlines())}
    pooch.get_logger().setLevel(logging.WARNING)
    files = pooch.create(path=folder, base_url=base, registry=registry)
    with ThreadPoolExecutor(int(threads)) as pool:
        for _ in pool.map(files.fetch, registry):
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
