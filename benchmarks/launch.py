"""Runs a command and writes down what it cost: ``python -I -S launch.py RESULT COMMAND…``.

A process of its own, as small as Python goes, for two reasons. The system counts into a program's peak memory what the
process had in use that became the program, so the size of whatever starts it is a floor under every figure; and a
small process is copied quickly, so that little of the wall clock goes to that.

The result is one line: seconds of the wall clock, seconds of processor time, peak memory in KiB (all that were waited
for; of these, the largest), exit code.
"""

import os
import sys
import time


def main() -> int:
    """Run; always 0, since the command's own code is in the result."""
    began = time.perf_counter()
    process = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
    _, status, usage = os.wait4(process, 0)
    seconds = time.perf_counter() - began
    with open(sys.argv[1], "w", encoding="ascii") as result:
        processor = usage.ru_utime + usage.ru_stime
        result.write(f"{seconds!r} {processor!r} {usage.ru_maxrss} {os.waitstatus_to_exitcode(status)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
