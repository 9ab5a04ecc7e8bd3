"""User data: what a pool's machines do when they start.

The ECS agent waits for cloud-init to end, and stopping Docker cancels its start
(https://github.com/aws/amazon-ecs-agent/blob/master/packaging/amazon-linux-ami-integrated/ecs.service: PartOf and After
docker.service, After cloud-final.service). So nothing here stops or starts them. What has to be there before Docker is
in a boothook: cloud-init runs it before network-online.target, which Docker waits for, and on every boot
(https://github.com/canonical/cloud-init/blob/main/systemd/cloud-init.service.tmpl;
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/bootstrap_container_instance.html). On AWS Batch,
chanzuckerberg/swipe mounts scratch disks so
(https://github.com/chanzuckerberg/swipe/blob/main/terraform/modules/swipe-sfn-batch-queue/container_instance_user_data).
The agent's settings are in a shell script, which runs once, since they are appended to a file, as AWS Batch does with
its own.
"""

__all__ = ["user_data"]

# AWS Batch merges its own part with these, so it wants MIME
# (https://docs.aws.amazon.com/batch/latest/userguide/launch-templates.html; https://github.com/aws/aws-cdk/issues/9900).
_ARCHIVE = """\
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="==dropbatch=="

--==dropbatch==
Content-Type: text/cloud-boothook; charset="us-ascii"

#cloud-boothook
{boothook}
--==dropbatch==
Content-Type: text/x-shellscript; charset="us-ascii"

{script}
--==dropbatch==--
"""

# A machine that cannot set itself up turns itself off before it takes a job.
_BEGIN = """\
#!/bin/bash
set -euo pipefail
trap poweroff ERR
"""

# Jobs on EC2 run with the host's network (https://docs.aws.amazon.com/batch/latest/userguide/networking-modes-jobs.html),
# so the metadata service's hop limit does not keep them from the machine's credentials, and none of their packets is
# forwarded. A rule for local packets does, since jobs run as a user other than root. Packets that no socket owns match
# it too (https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/net/netfilter/xt_owner.c). Task
# credentials come from 169.254.170.2 and stay reachable. The service's IPv6 address is off unless it is asked for
# (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-options.html). The ECS agent's
# package requires `iptables`
# (https://github.com/aws/amazon-ecs-agent/blob/master/packaging/amazon-linux-ami-integrated/ecs-agent.spec).
_RULE = """\
rule=(OUTPUT --destination 169.254.169.254 --match owner ! --uid-owner 0 --jump REJECT)
"""
_SET_RULE = """\
iptables --check "${rule[@]}" 2> /dev/null || iptables --insert "${rule[@]}"
"""

# Docker's volumes, of which jobs have one each for scratch space, lie on a disk of their own. It may be attached while
# the machine boots, and keeps its files when the machine boots again. `mkfs.xfs` refuses a disk that has other files.
_MOUNT_SCRATCH = """\
for _ in {1..60}; do
  for disk in /dev/sdf /dev/xvdf; do
    if [ -b "$disk" ]; then break 2; fi
  done
  sleep 1
done
blkid --match-token TYPE=xfs "$disk" || mkfs.xfs -q "$disk"
mkdir -p /var/lib/docker/volumes
mountpoint --quiet /var/lib/docker/volumes || mount -o noatime "$disk" /var/lib/docker/volumes
"""

# cloud-init only logs that a boothook failed, so its results are checked before the agent may start.
_CHECK_RULE = """\
iptables --check "${rule[@]}"
"""
_CHECK_SCRATCH = """\
mountpoint --quiet /var/lib/docker/volumes
"""

# https://github.com/aws/amazon-ecs-agent/blob/master/README.md lists the agent's settings.
_AGENT = """\
# Scratch space of ended jobs is freed after minutes, not hours.
echo 'ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION=5m' >> /etc/ecs/ecs.config
# Jobs' logs are sent as their pipeline's execution role: a machine's own credentials open no log.
echo 'ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE=true' >> /etc/ecs/ecs.config
"""

# Without waiting: what a unit waits for may wait for this script.
_SESSION_MANAGER = """\
rpm --query amazon-ssm-agent || dnf --assumeyes install amazon-ssm-agent
systemctl enable --now --no-block amazon-ssm-agent
"""


def user_data(*, scratch: bool, session_manager: bool) -> str:
    """Return the MIME archive for machines with or without a scratch disk and the agent of Session Manager."""
    boothook = _BEGIN + _RULE + _SET_RULE
    script = _BEGIN + _RULE + _CHECK_RULE
    if scratch:
        boothook += _MOUNT_SCRATCH
        script += _CHECK_SCRATCH
    script += _AGENT
    if session_manager:
        script += _SESSION_MANAGER
    return _ARCHIVE.format(boothook=boothook, script=script)
