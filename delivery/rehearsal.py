"""What is deployed to the sandbox by hand: ``--app`` of the ``cdktf`` command.

``dropbatch sandbox exec -- npx cdktf deploy dev --app 'python -m delivery.rehearsal' --output cdktf.sandbox
--skip-provider-lock`` rehearses a deploy, with the stack as it is: a file beside it tells Terraform what is different
about the sandbox. State and settings of the sandbox stay away from those of a real deployment.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import main as app

__all__ = ["OUTDIR", "OVERRIDE", "main", "override", "override_all"]

OUTDIR = "cdktf.sandbox"
"""Output folder of rehearsals, in the project's folder like ``cdktf.out``."""

OVERRIDE = "sandbox_override.tf.json"
"""Terraform merges files of this kind of name into the others: "Override Files" in its documentation."""


def override(stack: Mapping[str, Any], name: str, env: Mapping[str, str]) -> dict[str, Any]:
    """Return the overrides for the synthesized stack `name` in the sandbox that `env` selects."""
    different: dict[str, Any] = {"provider": {"aws": [{"s3_use_path_style": True, "allowed_account_ids": []}]}}
    ((kind, body),) = stack["terraform"]["backend"].items()
    if kind == "s3":
        body = {
            **body,
            "endpoints": {"s3": env["AWS_ENDPOINT_URL"]},
            "use_path_style": True,
            "skip_credentials_validation": True,
            "skip_requesting_account_id": True,
        }
    else:
        # Keep the state in the sandbox's directory, so that it is deleted with it, and apart from the state of AWS.
        body = {"path": str(Path(env["DROPBATCH_SANDBOX_DIR"]) / f"rehearsal.{name}.tfstate")}
    # Terraform replaces the complete backend block with the override.
    return {**different, "terraform": {"backend": {kind: body}}}


def override_all(outdir: Path, env: Mapping[str, str]) -> None:
    """Write the overrides beside every synthesized stack."""
    for path in outdir.glob("stacks/*/cdk.tf.json"):
        different = override(json.loads(path.read_text(encoding="utf-8")), path.parent.name, env)
        path.with_name(OVERRIDE).write_text(json.dumps(different, indent=1), encoding="utf-8")


def main(env: Mapping[str, str]) -> int:
    """Synthesize, write the overrides, and return the exit code."""
    if not env.get("DROPBATCH_SANDBOX_DIR"):
        print("error: this is for the sandbox only: call it by `dropbatch sandbox exec -- …`", file=sys.stderr)
        return 2
    outdir = Path(env.get("CDKTF_OUTDIR", "cdktf.out"))
    if outdir.name != OUTDIR:
        print(
            f"error: in {outdir.name} a real deploy would find the settings of the sandbox: add `--output {OUTDIR}`",
            file=sys.stderr,
        )
        return 2
    code = app.main()
    if code == 0:
        override_all(outdir, env)
    return code


if __name__ == "__main__":
    sys.exit(main(os.environ))
