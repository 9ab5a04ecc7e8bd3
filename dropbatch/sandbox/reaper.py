"""Ends what a dead server leaves behind: ``python -m dropbatch.sandbox.reaper SERVER_GROUP``.

The server starts this small process and keeps a pipe to its standard input. The pipe ends when the server does,
however it dies; unless the server said ``done`` before, every process group named and not taken back is killed. This
works alike on Linux and macOS, which has no parent-death signal.
"""

import sys

from dropbatch.sandbox.processes import kill_group

__all__ = ["reap"]


def reap(server_group: int) -> None:
    """Follow the pipe to its end, then act. Lines: ``+<group>``, ``-<group>``, ``done``."""
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
