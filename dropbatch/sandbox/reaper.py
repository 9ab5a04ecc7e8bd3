"""Kill the processes that a dead server leaves behind: ``python -m dropbatch.sandbox.reaper SERVER_GROUP``.

The server starts this small process and keeps a pipe to its standard input. The pipe closes when the server ends,
however it dies. Unless the server wrote ``done``, the reaper kills all process groups added and not removed. This works
on Linux and on macOS, which has no parent-death signal.
"""

import sys

from dropbatch.sandbox.processes import kill_group

__all__ = ["reap"]


def reap(server_group: int) -> None:
    """Read the pipe to its end, then kill the remaining groups. Lines: ``+<group>``, ``-<group>``, ``done``."""
    groups = {server_group}
    for line in sys.stdin:
        sign, number = line[0], line[1:].strip()
        if line.strip() == "done":
            groups.discard(server_group)
        elif sign == "+":
            groups.add(int(number))
        elif sign == "-":
            groups.discard(int(number))
    for group in groups:
        kill_group(group)


if __name__ == "__main__":
    reap(int(sys.argv[1]))
