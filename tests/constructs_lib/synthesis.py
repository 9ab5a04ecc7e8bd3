"""Synthesize Terraform, and look up its resources by type and attributes, never by hashed id."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

from cdktf import TerraformStack, Testing
from constructs import Construct

from constructs_lib.site import Site, SiteProps


class Stack:
    def __init__(self, body: dict[str, Any]) -> None:
        self.body = body

    def resources(self, type_: str, **attributes: Any) -> list[dict[str, Any]]:
        found = self.body.get("resource", {}).get(type_, {}).values()
        return [each for each in found if all(each.get(name) == value for name, value in attributes.items())]

    def one(self, type_: str, **attributes: Any) -> dict[str, Any]:
        found = self.resources(type_, **attributes)
        assert len(found) == 1, f"{type_} {attributes}: {len(found)} found, of {self.resources(type_)}"
        return found[0]

    def types(self) -> set[str]:
        return set(self.body.get("resource", {}))

    def address(self, type_: str, **attributes: Any) -> str:
        """Return ``type.id`` of the one matching resource, as other resources refer to it."""
        wanted = self.one(type_, **attributes)
        name = next(name for name, each in self.body["resource"][type_].items() if each is wanted)
        return f"{type_}.{name}"

    @property
    def account(self) -> str:
        """The account's number, as resources refer to it."""
        (name,) = self.body["data"]["aws_caller_identity"]
        return f"${{data.aws_caller_identity.{name}.account_id}}"

    def rights(self, role: str) -> list[dict[str, Any]]:
        """Return the statements of all policies of a role."""
        address = self.address("aws_iam_role", name=role)
        found = statements(self.one("aws_iam_role_policy", role=f"${{{address}.id}}")["policy"])
        attached = self.resources("aws_iam_role_policy_attachment", role=f"${{{address}.name}}")
        for arn in (each["policy_arn"] for each in attached):
            (policy,) = (
                each
                for id_, each in self.body["resource"]["aws_iam_policy"].items()
                if arn == f"${{aws_iam_policy.{id_}.arn}}"
            )
            found += statements(policy["policy"])
        return found


def statements(policy: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(policy)["Statement"]
    return found


def statement(policy: list[dict[str, Any]], sid: str) -> dict[str, Any]:
    found = [each for each in policy if each["Sid"] == sid]
    assert len(found) == 1, f"{sid}: {len(found)} found, of {[each['Sid'] for each in policy]}"
    return found[0]


def synthesize(
    build: Callable[[Construct, Site], Any], *, environment: str = "test", disposable: bool = False
) -> Stack:
    """Synthesize a stack with the constructs that `build` creates."""
    stack = TerraformStack(Testing.app(), "test")
    props = SiteProps(
        prefix=f"dropbatch-{environment}", environment=environment, region="eu-central-1", disposable=disposable
    )
    build(stack, Site(stack, "Site", props))
    return Stack(json.loads(Testing.synth(stack)))


def run_main(root: Path, outdir: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run ``python main.py`` of a project with additional environment variables."""
    return subprocess.run(
        [sys.executable, str(root / "main.py")],
        cwd=outdir.parent,
        env={name: value for name, value in os.environ.items() if not name.startswith("JSII_")}
        | {"CDKTF_OUTDIR": str(outdir), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def read_stacks(outdir: Path) -> dict[str, Stack]:
    return {
        path.parent.name: Stack(json.loads(path.read_text())) for path in sorted(outdir.glob("stacks/*/cdk.tf.json"))
    }
