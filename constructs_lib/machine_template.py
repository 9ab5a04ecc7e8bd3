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
# Jobs' logs are sent as their pipeline's execution role: a machine's own credentials open no log.
echo 'ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE=true' >> /etc/ecs/ecs.config
"""

# Docker's volumes, of which jobs have one each for scratch space, lie on a disk of their own. Docker must not look on;
# and it must not be waited for, should it wait for this script.
_SCRATCH_DISK = """\
disk=/dev/sdf
if ! [ -b "$disk" ]; then disk=/dev/xvdf; fi
systemctl stop docker.socket docker.service
mkfs.xfs -q "$disk"
mkdir -p /var/lib/docker/volumes
mount -o noatime "$disk" /var/lib/docker/volumes
systemctl start --no-block docker.service
"""

_SESSION_MANAGER = """\
rpm --query amazon-ssm-agent || dnf --assumeyes install amazon-ssm-agent
systemctl enable --now --no-block amazon-ssm-agent
"""

# AWS Batch merges its own part into the start script, so it wants MIME.
_USER_DATA = """\
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="==dropbatch=="

--==dropbatch==
Content-Type: text/x-shellscript; charset="us-ascii"

{script}
--==dropbatch==--
"""


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
            user_data=base64.b64encode(_user_data(props).encode("ascii")).decode("ascii"),
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


def _user_data(props: MachineTemplateProps) -> str:
    script = _START_SCRIPT
    if props.scratch_gib:
        script += _SCRATCH_DISK
    if props.session_manager:
        script += _SESSION_MANAGER
    return _USER_DATA.format(script=script)
