"""``make comment PAGES=folder``: write a pull request's plans into one comment, and update it on each push."""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from delivery import github
from delivery.errors import DeliveryError, ending

__all__ = ["MARKER", "main"]

MARKER = "<!-- dropbatch: plans -->"


def main(argv: list[str], env: Mapping[str, str]) -> int:
    """Run the step with the argument ``FOLDER``, which contains one page for each environment."""
    parser = argparse.ArgumentParser(prog="python -m delivery.comment", description="Plans as one comment.")
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args(argv).folder

    def step() -> int:
        pages = [path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.md"))]
        if not pages:
            raise DeliveryError(f"{folder} holds no plan: the job that plans has left none")
        event = json.loads(Path(env["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
        share = github.COMMENT_LIMIT // len(pages) - 100
        text = "\n".join(github.cut(page, share) for page in pages)
        commit = event["pull_request"]["head"]["sha"][:12]
        github.Repository.of(env).put_comment(
            event["pull_request"]["number"], MARKER, f"What a merge of {commit} would do:\n\n{text}"
        )
        return 0

    return ending(step)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
