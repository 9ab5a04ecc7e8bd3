"""Launch template of a pool: disks, metadata service, user data."""

import base64
from dataclasses import dataclass

from cdktf_cdktf_provider_aws.launch_template import (
    LaunchTemplate,
    LaunchTemplateBlockDeviceMappings,
    LaunchTemplateTagSpecifications,
)
from constructs import Construct

from constructs_lib.site import Site
from constructs_lib.user_data import user_data

__all__ = ["MachineTemplate", "MachineTemplateProps"]


@dataclass(frozen=True, kw_only=True)
class MachineTemplateProps:
    """The machines of one pool."""

    site: Site
    pool: str
    root_gib: int
    scratch_gib: int = 0
    """Size of a disk for the jobs' scratch space. Default: none, it is on the root disk."""
    session_manager: bool = False
    """Whether the agent of Session Manager runs."""


class MachineTemplate(Construct):
    """Launch template: encrypted disk, metadata service version 2 only, credentials out of the jobs' reach."""

    def __init__(self, scope: Construct, id_: str, props: MachineTemplateProps) -> None:
        super().__init__(scope, id_)
        name = props.site.name(props.pool)
        tags = {"Name": name, "research-stack-id": props.site.prefix}
        data = user_data(scratch=props.scratch_gib > 0, session_manager=props.session_manager)
        template = LaunchTemplate(
            self,
            "Template",
            name=name,
            update_default_version=True,
            block_device_mappings=[
                _disk("/dev/xvda", props.root_gib),
                *([_disk("/dev/sdf", props.scratch_gib)] if props.scratch_gib else []),
            ],
            metadata_options={
                "http_endpoint": "enabled",
                "http_tokens": "required",
                "http_put_response_hop_limit": 1,
            },
            user_data=base64.b64encode(data.encode("ascii")).decode("ascii"),
            tag_specifications=[
                LaunchTemplateTagSpecifications(resource_type=kind, tags=tags) for kind in ("instance", "volume")
            ],
        )
        self.id: str = template.id
        self.version: str = template.get_string_attribute("latest_version")
        """The version as it is after the apply: Batch does not notice a moving ``$Latest``."""


def _disk(device: str, gib: int) -> LaunchTemplateBlockDeviceMappings:
    return LaunchTemplateBlockDeviceMappings(
        device_name=device,
        ebs={"volume_size": gib, "volume_type": "gp3", "encrypted": "true", "delete_on_termination": "true"},
    )
