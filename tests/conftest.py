"""What all tests need of the process that they run in."""

from __future__ import annotations

import signal

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """What ``make interop`` says; without it ``tests/interop`` is passed over."""
    parser.addoption(
        "--predecessor", metavar="PYTHON", help="an interpreter that has what requirements/interop.txt pins"
    )


# A shell starts what runs in its background with SIGINT ignored, and children inherit that: nothing there could be
# interrupted, and the tests of interrupts would test the shell.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
