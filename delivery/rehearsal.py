"""Stacks as for AWS, to be deployed to the sandbox by hand: ``--app`` of the ``cdktf`` command.

``dropbatch sandbox exec -- npx cdktf deploy dev --app 'python -m delivery.rehearsal' --skip-provider-lock`` rehearses a
deploy, with the stack as it is: a file beside it tells Terraform what is different about the sandbox.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import main as app

__all__ = ["OVERRIDE", "main", "override", "override_all"]

OVERRIDE = "sandbox_override.tf.json"
"""Terraform merges files of this kind of name into the others: "Override Files" in its documentation."""


def override(stack: Mapping[str, Any], endpoint: str) -> dict[str, Any]:
    """What has to be said otherwise of a synthesized stack when AWS is at the URL `endpoint`."""
    different: dict[str, Any] = {"provider": {"aws": [{"s3_use_path_style": True, "allowed_account_ids": []}]}}
    backend = stack["terraform"]["backend"].get("s3")
    if backend is not None:
        # An overriding backend block takes the place of the whole block.
        different["terraform"] = {
            "backend": {
                "s3": {
                    **backend,
                    "endpoints": {"s3": endpoint},
                    "use_path_style": True,
                    "skip_credentials_validation": True,
                    "skip_requesting_account_id": True,
                }
            }
        }
    return different


def override_all(outdir: Path, endpoint: str) -> None:
    """Write the overrides beside every synthesized stack."""
    for path in outdir.glob("stacks/*/cdk.tf.json"):
        different = override(json.loads(path.read_text(encoding="utf-8")), endpoint)
        path.with_name(OVERRIDE).write_text(json.dumps(different, indent=1), encoding="utf-8")


def main(env: Mapping[str, str]) -> int:
    """Synthesize; then write the overrides. Returns the exit code."""
    if not env.get("DROPBATCH_SANDBOX_DIR"):
        print("error: this is for the sandbox only: call it by `dropbatch sandbox exec -- …`", file=sys.stderr)
        return 2
    code = app.main()
    if code == 0:
        override_all(Path(env.get("CDKTF_OUTDIR", "cdktf.out")), env["AWS_ENDPOINT_URL"])
    return code


if __name__ == "__main__":
    sys.exit(main(os.environ))
