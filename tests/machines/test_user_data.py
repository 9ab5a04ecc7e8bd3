"""User data on machines that really boot: systemd starts the units of Amazon's ECS image in their order.

Pools with GPUs have the same user data and another image.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from email import message_from_string
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path

import pytest

from constructs_lib.user_data import user_data
from tests.machines.files import DOCKER_AFTER_CLOUD_INIT, PROBE, stub
from tests.machines.system import Machine, machine

Boot = Callable[..., Machine]

RULE = "OUTPUT --destination 169.254.169.254 --match owner ! --uid-owner 0 --jump REJECT"
INSERTED = f"iptables --insert {RULE}"
VOLUMES = "/var/lib/docker/volumes"
FORMATTED = "mkfs.xfs -q /dev/sdf"
MOUNTED = f"mount -o noatime /dev/sdf {VOLUMES}"
BATCH_SETTINGS = ["ECS_CLUSTER=lab", "ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION=2m"]
REACHED = [
    "root reaches metadata",
    "root reaches credentials",
    "job is refused by metadata",
    "job reaches credentials",
]


@pytest.fixture
def boot(base: Path, tmp_path: Path) -> Iterator[Boot]:
    with ExitStack() as stack:

        def start(data: str, others: Mapping[str, str] | None = None, *, disk: bool = False) -> Machine:
            return stack.enter_context(machine(base, tmp_path, merged(data), others or {}, disk=disk))

        yield start


def merged(data: str) -> str:
    """Add the part that AWS Batch adds (https://github.com/aws/aws-cdk/issues/9900), where it overlaps with ours."""
    both = MIMEMultipart()
    own = "".join(f"echo {line}>>/etc/ecs/ecs.config\n" for line in BATCH_SETTINGS)
    for part in message_from_string(data).get_payload():
        both.attach(part)
    both.attach(MIMEText(f"#!/bin/bash\n{own}", "x-shellscript"))
    return both.as_string()


def done(booting: Machine) -> list[str]:
    """Return the events in order, without read-only calls."""
    looks = ("iptables --check", "rpm --query", "ecs start")
    return [each for each in booting.events if not each.startswith(looks)]


@pytest.mark.parametrize(
    ("scratch", "session_manager", "docker"),
    [
        pytest.param(False, False, {}, id="plain"),
        pytest.param(True, False, {}, id="scratch"),
        pytest.param(False, True, {}, id="session-manager"),
        pytest.param(True, True, DOCKER_AFTER_CLOUD_INIT, id="both-and-docker-waits"),
    ],
)
def test_the_agent_starts_on_a_prepared_machine(
    boot: Boot, scratch: bool, session_manager: bool, docker: Mapping[str, str]
):
    # Given, when
    booting = boot(user_data(scratch=scratch, session_manager=session_manager), docker, disk=scratch)

    # Then
    assert booting.boots(), booting.log
    assert [booting.state(each) for each in ("docker", "ecs", "cloud-final")] == ["active"] * 3, booting.log
    assert booting.state("amazon-ssm-agent") == ("active" if session_manager else "inactive")
    assert booting.call("python3", PROBE).splitlines() == REACHED
    assert done(booting) == (
        [INSERTED, FORMATTED, MOUNTED, "dockerd xfs", "ecs pre-start"]
        if scratch
        else [INSERTED, "dockerd", "ecs pre-start"]
    )
    assert booting.call("cat", "/etc/ecs/ecs.config").split() == [
        "ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION=5m",
        "ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE=true",
        *BATCH_SETTINGS,
    ]


def test_a_rebooted_machine_has_its_rule_and_keeps_its_scratch_disk(boot: Boot):
    # Given
    booting = boot(user_data(scratch=True, session_manager=True), disk=True)
    assert booting.boots(), booting.log
    booting.call("touch", f"{VOLUMES}/kept")
    first = len(done(booting))

    # When
    assert booting.boots_again(), booting.log

    # Then
    assert booting.state("ecs") == "active", booting.log
    assert booting.call("ls", VOLUMES).split() == ["kept"]
    assert booting.call("python3", PROBE).splitlines() == REACHED
    assert done(booting)[first:] == [INSERTED, MOUNTED, "dockerd xfs", "ecs pre-start"]
    assert booting.call("grep", "--count", "=5m", "/etc/ecs/ecs.config").strip() == "1"


@pytest.mark.parametrize(
    ("scratch", "others"),
    [
        pytest.param(False, {"/usr/local/sbin/iptables": stub("iptables", "exit 1")}, id="no-firewall"),
        pytest.param(True, {}, id="no-disk"),
    ],
)
def test_a_machine_that_cannot_be_prepared_shuts_down(boot: Boot, scratch: bool, others: Mapping[str, str]):
    booting = boot(user_data(scratch=scratch, session_manager=False), others)

    assert not booting.boots()
    assert not [each for each in done(booting) if each.startswith(("ecs", "dockerd"))]


def test_a_machine_whose_boothook_never_ran_shuts_down(boot: Boot):
    data = user_data(scratch=False, session_manager=False)

    booting = boot(data.replace("text/cloud-boothook", "text/plain").replace("#cloud-boothook\n#!/bin/bash\n", ""))

    assert not booting.boots()
    assert not [each for each in done(booting) if each.startswith("ecs")]


def test_the_test_machines_lose_an_agent_whose_docker_is_stopped(boot: Boot):
    """The test machine behaves like Amazon's image here; otherwise the tests above could not fail for that reason."""
    data = MIMEMultipart()
    stops = "systemctl stop docker.socket docker.service\nsystemctl start --no-block docker.service\n"
    data.attach(MIMEText(f"#!/bin/bash\n{stops}", "x-shellscript"))

    booting = boot(data.as_string())

    assert booting.boots(), booting.log
    assert [booting.state(each) for each in ("docker", "ecs")] == ["active", "inactive"]
