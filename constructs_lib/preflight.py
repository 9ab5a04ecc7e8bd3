"""Checks that run before a deploy changes anything."""

from collections.abc import Mapping
from dataclasses import dataclass

from cdktf import DataResource, LocalExecProvisioner, TerraformResource, TerraformStack
from cdktf_cdktf_provider_aws.batch_job_definition import BatchJobDefinition
from cdktf_cdktf_provider_aws.iam_role_policy import IamRolePolicy
from constructs import Construct

from constructs_lib.project_command import project_command
from constructs_lib.site import Site

__all__ = ["Preflight", "PreflightProps"]


@dataclass(frozen=True, kw_only=True)
class PreflightProps:
    """Facts to check."""

    site: Site
    repository: str
    """Name of the registry of images, which need not exist yet."""
    tags: Mapping[str, str]
    """Tag of the image of each pipeline that has one of ours; ``<tag>@arm64`` when it is built for that."""
    input_bucket: str | None = None
    """An existing bucket, which must be versioned and send events."""


class Preflight(Construct):
    """A command that fails when the deploy would: an image must be built and no engine is there that can.

    It runs when there is something new to check.
    """

    def __init__(self, scope: Construct, id_: str, props: PreflightProps) -> None:
        super().__init__(scope, id_)
        arguments = ["--region", props.site.region, "--repository", props.repository]
        for _, tag in sorted(props.tags.items()):
            arguments += ["--tag", tag]
        if props.input_bucket is not None:
            arguments += ["--input-bucket", props.input_bucket]
        command = project_command("dropbatch.before_deploy", *arguments)
        self._check = DataResource(
            self,
            "Check",
            triggers_replace={"tags": dict(props.tags), "input_bucket": props.input_bucket or ""},
            provisioners=[LocalExecProvisioner(type="local-exec", command=command)],
        )

    def precede_everything(self, stack: TerraformStack) -> None:
        """Make every other resource of the stack depend on the check. Call this last."""
        check = [f"terraform_data.{self._check.friendly_unique_id}"]
        for each in stack.node.find_all():
            # Those two need a role, which waits: most resources are of these kinds, and each costs a call to Node.
            waits = isinstance(each, IamRolePolicy | BatchJobDefinition)
            if isinstance(each, TerraformResource) and each is not self._check and not waits:
                each.add_override("depends_on", check)  # beside those that it has
