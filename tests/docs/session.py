"""Follow a page as a reader would: run every shell block in order in one shell, and compare the output."""

import re
import shlex
import subprocess
from collections.abc import Container, Mapping
from pathlib import Path

from tests.docs.pages import Fence, Page

_MARK = "@@ block "
_SECONDS = 600.0


def walk(page: Page, directory: Path, environ: Mapping[str, str], *, there: Container[str] = ("",)) -> None:
    """Run the page's ``sh`` blocks; a ``text`` block after one is its expected output (… matches anything).

    Args:
        page: a tutorial.
        directory: the working directory at the start and at the end, since the next page continues there.
        environ: environment variables of the reader's shell.
        there: marks of the tools that blocks may need.
    """
    blocks = [(fence, printed) for fence, printed in _blocks(page) if fence.needs in there]
    script = "".join(f"printf '\\n{_MARK}{number}\\n'\n{fence.text}\n" for number, (fence, _) in enumerate(blocks))
    script += f'[ "$PWD" = {shlex.quote(str(directory.resolve()))} ] || {{ echo "the page ends in $PWD"; exit 1; }}\n'
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=directory.resolve(),
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=_SECONDS,
    )
    printed = re.split(rf"\n{_MARK}\d+\n", done.stdout)[1:]
    assert done.returncode == 0, (
        f"{page}:{blocks[len(printed) - 1][0].line} ended with {done.returncode}:\n{done.stdout}"
    )
    for (fence, expected), text in zip(blocks, printed, strict=True):
        if expected is not None:
            assert _pattern(expected.text).search(text), (
                f"{page}:{expected.line}: after line {fence.line} came:\n{text}"
            )


def _blocks(page: Page) -> list[tuple[Fence, Fence | None]]:
    """Return shell blocks, each with the output block that follows it."""
    found: list[tuple[Fence, Fence | None]] = []
    for fence in page.fences:
        if fence.language == "sh":
            found.append((fence, None))
        elif fence.language == "text" and found and found[-1][1] is None:
            found[-1] = (found[-1][0], fence)
    return found


def _pattern(expected: str) -> re.Pattern[str]:
    """Return a pattern for an expected output: a line with only … matches any lines, … within a line any characters."""
    parts = []
    for line in expected.rstrip("\n").splitlines():
        if line.strip() == "…":
            parts.append(r"(?:.*\n)*?")
        else:
            words = [re.sub(r"(\\ )+", " +", re.escape(word)) for word in line.split("…")]
            parts.append(r"[^\n]*".join(words) + r" *\n")
    return re.compile("^" + "".join(parts), re.MULTILINE)
