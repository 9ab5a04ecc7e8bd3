"""Files of a machine as Amazon's ECS image has them, as far as the start depends on them: units, and stubs.

The units' dependencies are those of their packages:

- ecs: https://github.com/aws/amazon-ecs-agent/blob/master/packaging/amazon-linux-ami-integrated/ecs.service
- docker: https://github.com/moby/moby/tree/master/contrib/init/systemd
- containerd: https://github.com/containerd/containerd/blob/main/containerd.service
- cloud-init, without what is for Debian only: https://github.com/canonical/cloud-init/tree/main/systemd
- what is enabled: https://github.com/aws/amazon-ecs-ami/blob/main/scripts/enable-services.sh
"""

import json
from collections.abc import Mapping

__all__ = ["DOCKER_AFTER_CLOUD_INIT", "PROBE", "REPORT", "files", "stub"]

REPORT = "/report"
"""The machine's log of events; it is outside the machine and survives it."""
PROBE = "/usr/libexec/probe.py"
"""Prints what root and a job's user can reach of EC2's metadata service and of the agent's credentials."""
_JOB_USER = 10001

_ONCE = "Type=oneshot\nRemainAfterExit=yes\n"
_CLOUD_INIT = f"{_ONCE}TimeoutSec=0\n"

_UNITS = {
    # EC2's network, in a network namespace: the metadata service and the agent's credentials are at local addresses.
    "network.service": (
        "[Unit]\nDefaultDependencies=no\nBefore=network.target cloud-init.service network-online.target\n"
        f"[Service]\n{_ONCE}ExecStart=/usr/sbin/ip link set lo up\n"
        "ExecStart=/usr/sbin/ip address add 169.254.169.254/32 dev lo\n"
        "ExecStart=/usr/sbin/ip address add 169.254.170.2/32 dev lo\n"
    ),
    "cloud-init-local.service": (
        "[Unit]\nDefaultDependencies=no\nWants=network-pre.target\nAfter=systemd-remount-fs.service\n"
        f"RequiresMountsFor=/var/lib/cloud\nBefore=network-pre.target\n[Service]\n{_CLOUD_INIT}ExecStart=/bin/true\n"
    ),
    "cloud-init.service": (
        "[Unit]\nDefaultDependencies=no\nWants=cloud-init-local.service\nAfter=cloud-init-local.service\n"
        "Before=network-online.target systemd-user-sessions.service\n"
        f"[Service]\n{_CLOUD_INIT}ExecStart=/usr/bin/cloud-init init\n"
    ),
    "cloud-config.service": (
        "[Unit]\nAfter=network-online.target cloud-config.target\nWants=network-online.target cloud-config.target\n"
        f"[Service]\n{_CLOUD_INIT}ExecStart=/bin/true\n"  # it would run the modules of this stage, of which are none
    ),
    "cloud-final.service": (
        "[Unit]\nAfter=network-online.target cloud-config.service rc-local.service\n"
        "Wants=network-online.target cloud-config.service\n"
        f"[Service]\n{_CLOUD_INIT}KillMode=process\nExecStart=/usr/bin/cloud-init modules --mode=final\n"
    ),
    "containerd.service": (
        "[Unit]\nAfter=network.target local-fs.target\n[Service]\nRestart=always\nExecStart=/usr/bin/sleep infinity\n"
    ),
    "docker.socket": "[Unit]\nPartOf=docker.service\n[Socket]\nListenStream=/run/docker.sock\nSocketMode=0660\n",
    "docker.service": (
        "[Unit]\nAfter=network-online.target docker.socket firewalld.service containerd.service time-set.target\n"
        "Wants=network-online.target containerd.service\nRequires=docker.socket\n"
        "StartLimitBurst=3\nStartLimitIntervalSec=60\n"
        "[Service]\nType=notify\nNotifyAccess=all\nTimeoutStartSec=0\nRestart=always\nRestartSec=2\nKillMode=process\n"
        "ExecStart=/usr/bin/dockerd\n"
    ),
    "ecs.service": (
        "[Unit]\nWants=docker.service\nPartOf=docker.service\nAfter=docker.service cloud-final.service\n"
        "[Service]\nType=simple\nRestart=on-failure\nRestartPreventExitStatus=5\nRestartSec=10s\n"
        "EnvironmentFile=-/etc/ecs/ecs.config\n"
        "ExecStartPre=/bin/bash -c '[ $(/usr/bin/systemctl is-active docker) = active ]'\n"
        "ExecStartPre=/usr/libexec/amazon-ecs-init pre-start\n"
        "ExecStart=/usr/libexec/amazon-ecs-init start\n"
    ),
    "amazon-ssm-agent.service": "[Unit]\nAfter=network-online.target\n[Service]\nExecStart=/usr/bin/sleep infinity\n"
    "[Install]\nWantedBy=multi-user.target\n",
}
_WANTED = {
    "multi-user.target": ("network.service", "cloud-init.target", "ecs.service"),
    "cloud-init.target": (
        "cloud-init-local.service",
        "cloud-init.service",
        "cloud-config.service",
        "cloud-final.service",
    ),
    "sockets.target": ("docker.socket",),
}
_DOCKER_DROP_IN = "/etc/systemd/system/docker.service.d/order.conf"
DOCKER_AFTER_CLOUD_INIT = {_DOCKER_DROP_IN: "[Unit]\nAfter=cloud-final.service\n"}
"""Docker that waits for cloud-init to end, as AWS says of its images
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-agent-install.html)."""

# From another address than the service's: the kernel's own packets to that would be rejected too.
_PROBE = f"""\
import os, socket

def reaches(user, address):
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    try:
        os.setuid(user)
        socket.create_connection((address, 80), timeout=20, source_address=("127.0.0.1", 0)).close()
    except ConnectionRefusedError:
        os._exit(1)
    os._exit(0)

servers = [socket.create_server((address, 80)) for address in ("169.254.169.254", "169.254.170.2")]
for name, user in (("root", 0), ("job", {_JOB_USER})):
    for service, address in (("metadata", "169.254.169.254"), ("credentials", "169.254.170.2")):
        print(name, "reaches" if reaches(user, address) else "is refused by", service)
"""


def stub(name: str, then: str = "") -> str:
    """Return a program that writes down how it was called, and then does what Debian's does, or what is given."""
    original = f'exec /usr/sbin/{name} "$@"'
    return f'#!/bin/bash\necho "{name} $*" >> {REPORT}/events\n{then or original}\n'


_PROGRAMS = {
    "/usr/bin/dockerd": (
        "#!/bin/bash\n"
        f"echo dockerd $(findmnt --noheadings --output FSTYPE /var/lib/docker/volumes) >> {REPORT}/events\n"
        "systemd-notify --ready\nexec sleep infinity\n"
    ),
    "/usr/libexec/amazon-ecs-init": stub("ecs", '[ "$1" != start ] || exec sleep infinity'),
    "/usr/local/sbin/iptables": stub("iptables"),
    "/usr/local/sbin/mkfs.xfs": stub("mkfs.xfs"),
    "/usr/local/bin/rpm": stub("rpm", "exit 0"),  # the agent of Session Manager is installed
    "/usr/local/sbin/mount": stub("mount", 'exec /usr/bin/mount "$@"'),
    # Waiting for the disk takes no time here.
    "/usr/local/bin/sleep": '#!/bin/bash\n[ "$1" = infinity ] && exec /usr/bin/sleep infinity\nexit 0\n',
}


def files(user_data: str, others: Mapping[str, str]) -> dict[str, str | None]:
    """Return the files of a machine with this user data; those without a text are links to /dev/null.

    Args:
        user_data: as EC2 hands it to cloud-init.
        others: further files, or the same with other texts.
    """
    cloud = {
        "datasource_list": ["None"],
        "datasource": {"None": {"metadata": {"instance-id": "i-0123456789abcdef0"}, "userdata_raw": user_data}},
        "network": {"config": "disabled"},
        "output": {"all": f">> {REPORT}/cloud-init"},
        "cloud_init_modules": [],
        "cloud_final_modules": ["scripts-user"],
    }
    wants = {
        f"/etc/systemd/system/{target}.d/wants.conf": f"[Unit]\nWants={' '.join(units)}\n"
        for target, units in _WANTED.items()
    }
    return {
        **{f"/etc/systemd/system/{name}": text for name, text in _UNITS.items()},
        **wants,
        "/etc/systemd/system-generators/cloud-init-generator": None,  # it looks for a cloud, which is not here
        "/etc/cloud/cloud.cfg.d/99_machine.cfg": json.dumps(cloud),
        "/etc/ecs/ecs.config": "",
        PROBE: _PROBE,
        **_PROGRAMS,
        **others,
    }
