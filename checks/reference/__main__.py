"""``python -m checks.reference`` writes the generated pages; with ``--check`` it lists those that are out of date."""

import sys
from collections.abc import Sequence

from checks.reference.pages import ROOT, pages


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or with ``--check`` return 1 if a page is out of date."""
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is out of date: run `make reference`", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(pages()[path], encoding="utf-8")
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
