"""Change the machines of a compute environment under running jobs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cdktf import DataResource, LocalExecProvisioner
from constructs import Construct

from constructs_lib.project_command import project_command
from constructs_lib.site import Site

__all__ = ["MachineChange", "MachineChangeProps"]


@dataclass(frozen=True, kw_only=True)
class MachineChangeProps:
    """Which environment, and what its machines shall be."""

    site: Site
    environment_arn: str
    resources: Mapping[str, Any]
    """As Batch names them in UpdateComputeEnvironment."""


class MachineChange(Construct):
    """A command that runs when the machines shall be others than before, and does nothing when they are that already.

    Terraform's provider would ask for the same change, wait 20 minutes for the jobs that run, and fail
    (docs/adr/0039-machines-change-under-running-jobs.md).
    """

    def __init__(self, scope: Construct, id_: str, props: MachineChangeProps) -> None:
        super().__init__(scope, id_)
        DataResource(
            self,
            "Command",
            triggers_replace={"environment": props.environment_arn, "resources": dict(props.resources)},
            provisioners=[
                LocalExecProvisioner(
                    type="local-exec",
                    command=project_command("dropbatch.machines", "change", "--region", props.site.region),
                    # The name is `dropbatch.machines.VARIABLE`.
                    environment={"DROPBATCH_MACHINES": "${jsonencode(self.triggers_replace)}"},
                )
            ],
        )
