"""How a pool's machines start: disks, metadata service, start script."""

import base64
from dataclasses import dataclass

from cdktf_cdktf_provider_aws.launch_template import (
    LaunchTemplate,
    LaunchTemplateBlockDeviceMappings,
    LaunchTemplateTagSpecifications,
)
from constructs import Construct

from constructs_lib.site import Site

__all__ = ["MachineTemplate", "MachineTemplateProps"]

# Simple jobs on EC2 run with the host's network, so the metadata service's hop limit does not keep them from the
# machine's credentials; the rule does, since jobs run as a user other than root. Task credentials come from
# 169.254.170.2 and stay reachable. A machine that cannot set the rule turns itself off before it takes a job.
_START_SCRIPT = """\
#!/bin/bash
set -euo pipefail
trap 'poweroff' ERR
iptables --insert OUTPUT --destination 169.254.169.254 --match owner ! --uid-owner 0 --jump REJECT
iptables --insert FORWARD --destination 169.254.169.254 --jump REJECT
# Scratch space of ended jobs is freed after minutes, not hours.
echo 'ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION=5m' >> /etc/ecs/ecs.config
"""

# AWS Batch merges its own part into the start script, so it wants MIME.
_USER_DATA = f"""\
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="==dropbatch=="

--==dropbatch==
Content-Type: text/x-shellscript; charset="us-ascii"

{_START_SCRIPT}
--==dropbatch==--
"""


@dataclass(frozen=True, kw_only=True)
class MachineTemplateProps:
    """The machines of one pool."""

    site: Site
    pool: str
    root_gib: int


class MachineTemplate(Construct):
    """Launch template: encrypted disk, metadata service version 2 only, credentials out of the jobs' reach."""

    def __init__(self, scope: Construct, id_: str, props: MachineTemplateProps) -> None:
        super().__init__(scope, id_)
        name = props.site.name(props.pool)
        tags = {"Name": name, "research-stack-id": props.site.prefix}
        template = LaunchTemplate(
            self,
            "Template",
            name=name,
            update_default_version=True,
            block_device_mappings=[
                LaunchTemplateBlockDeviceMappings(
                    device_name="/dev/xvda",
                    ebs={
                        "volume_size": props.root_gib,
                        "volume_type": "gp3",
                        "encrypted": "true",
                        "delete_on_termination": "true",
                    },
                )
            ],
            metadata_options={
                "http_endpoint": "enabled",
                "http_tokens": "required",
                "http_put_response_hop_limit": 1,
            },
            user_data=base64.b64encode(_USER_DATA.encode("ascii")).decode("ascii"),
            tag_specifications=[
                LaunchTemplateTagSpecifications(resource_type=kind, tags=tags) for kind in ("instance", "volume")
            ],
        )
        self.id: str = template.id
        self.version: str = template.get_string_attribute("latest_version")
        """The version as it is after the apply: Batch does not notice a moving ``$Latest``."""
