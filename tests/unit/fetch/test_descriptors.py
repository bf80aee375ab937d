"""As many transfers as may have their files open."""

from __future__ import annotations

import sys

import pytest

from tests.support.processes import run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no such limit")

PROGRAM = """
import resource, sys
from dlm.fetch.descriptors import within_limit
from dlm.model.settings import Settings
soft, hard, jobs = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(within_limit(Settings(jobs=jobs)).jobs, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("soft", "hard", "jobs", "allowed", "limit"),
    [
        (256, 256, 16, 16, 256),
        (64, 64, 16, 8, 64),
        (40, 40, 16, 2, 40),
        (20, 20, 16, 1, 20),
        (64, 512, 16, 16, 160),
        (64, 128, 64, 24, 128),
        (256, 4000, 200, 200, 896),
    ],
)
def test_jobs_within_the_limit_of_open_files(soft: int, hard: int, jobs: int, allowed: int, limit: int) -> None:
    assert run(PROGRAM, str(soft), str(hard), str(jobs)) == f"{allowed} {limit}\n"
