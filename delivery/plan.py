"""``make plan ENV=dev``: plan a deploy, print the plan, and keep it for `delivery.apply`.

In a workflow the plan goes to the summary, encrypted into a file (``--seal``), and the file's digest to the outputs.
"""

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from delivery import github
from delivery.changes import changes, markdown
from delivery.commit import commit_of
from delivery.errors import ending
from delivery.sealed import ACTIONS, About, seal
from delivery.terraform import Stack

__all__ = ["main"]


def main(argv: list[str], env: Mapping[str, str]) -> int:
    """Run the step with arguments ``NAME [--action destroy] [--look] [--seal FILE] [--page FILE]``."""
    parser = argparse.ArgumentParser(prog="python -m delivery.plan", description="Plan a synthesized stack.")
    parser.add_argument("environment")
    parser.add_argument("--action", choices=ACTIONS, default=ACTIONS[0], help="action to plan")
    parser.add_argument("--look", action="store_true", help="do not lock the state (for read-only credentials)")
    parser.add_argument("--seal", type=Path, metavar="FILE", help="save the plan here, encrypted with PLAN_KEY")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the plan here as Markdown")
    options = parser.parse_args(argv)

    def step() -> int:
        stack = Stack(Path.cwd(), options.environment)
        stack.init()
        changed = stack.plan(destroy=options.action == "destroy", lock=not options.look)
        page = markdown(stack.environment, changes(stack.plan_json()), stack.plan_text())
        github.add_to_summary(env, page)
        if options.page is not None:
            options.page.parent.mkdir(parents=True, exist_ok=True)
            options.page.write_text(page, encoding="utf-8")
        outputs = {"changed": "true" if changed else "false"}
        if options.seal is not None:
            about = About(
                environment=stack.environment,
                commit=commit_of(Path.cwd(), env),
                action=options.action,
            )
            outputs["digest"] = seal(stack.folder, about, options.seal, env)
        github.set_outputs(env, **outputs)
        return 0

    return ending(step)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
