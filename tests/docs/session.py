"""A page walked as its reader would: every shell block in order, in one shell, and what the page says it prints."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.docs.pages import Fence, Page

_MARK = "@@ block "
_SECONDS = 600.0


def walk(page: Page, directory: Path, environ: Mapping[str, str]) -> None:
    """Run the page's ``sh`` blocks; a ``text`` block after one is what it must print (… stands for anything)."""
    blocks = _blocks(page)
    script = "".join(f"printf '\\n{_MARK}{number}\\n'\n{fence.text}\n" for number, (fence, _) in enumerate(blocks))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=directory,
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
    """Shell blocks that can run here, each with the block of output that follows it before the next."""
    found: list[tuple[Fence, Fence | None]] = []
    for fence in page.fences:
        if fence.language == "sh" and not fence.needs:
            found.append((fence, None))
        elif fence.language == "text" and found and found[-1][1] is None:
            found[-1] = (found[-1][0], fence)
    return found


def _pattern(expected: str) -> re.Pattern[str]:
    """Matches somewhere in an output; a line that is only … stands for any lines, … within one for any characters."""
    parts = []
    for line in expected.rstrip("\n").splitlines():
        if line.strip() == "…":
            parts.append(r"(?:.*\n)*?")
        else:
            words = [re.sub(r"(\\ )+", " +", re.escape(word)) for word in line.split("…")]
            parts.append(r"[^\n]*".join(words) + r" *\n")
    return re.compile("^" + "".join(parts), re.MULTILINE)
