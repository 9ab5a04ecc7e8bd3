"""Updates of compute environments with running jobs, as AWS documents them."""

import json
from typing import Any

import pytest

from dropbatch.contract.batch_reasons import HOST_TERMINATED
from dropbatch.sandbox.batch.clock import Clock
from tests.sandbox.batch_world import RefusedError, World, eventually

AGAIN = {"attempts": 3, "evaluateOnExit": [{"onStatusReason": "Host EC2*", "action": "RETRY"}]}


class Later(Clock):
    """A clock that a test moves forward."""

    ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead


def updatable(world: World, strategy: str = "SPOT_CAPACITY_OPTIMIZED", vcpus: int = 4, **more: Any) -> World:
    """Start the scheduler, with an environment whose machines AWS can replace, a queue and a definition."""
    world.call(
        "CreateComputeEnvironment",
        computeEnvironmentName="spot",
        type="MANAGED",
        computeResources={
            "type": "SPOT",
            "allocationStrategy": strategy,
            "minvCpus": 0,
            "maxvCpus": vcpus,
            "instanceTypes": ["m6i"],
            "subnets": ["subnet-1"],
            "instanceRole": "ecsInstanceRole",
            "ec2Configuration": [{"imageType": "ECS_AL2023"}],
            "spotIamFleetRole": "arn:aws:iam::000000000000:role/fleet",
        },
        **more,
    )
    world.queue()
    world.definition(retryStrategy=AGAIN)
    world.scheduler.start()
    return world


def update(world: World, policy: dict[str, Any] | None = None, **resources: Any) -> None:
    more = {"updatePolicy": policy} if policy is not None else {}
    world.call("UpdateComputeEnvironment", computeEnvironment="spot", computeResources=resources, **more)


def environment(world: World) -> dict[str, Any]:
    (found,) = world.call("DescribeComputeEnvironments")["computeEnvironments"]
    return dict(found)


def running(world: World) -> str:
    job = world.submit("wait")
    world.until(job, "RUNNING")
    return job


CHANGES: list[dict[str, Any]] = [
    {"instanceTypes": ["c7i"]},
    {"launchTemplate": {"launchTemplateId": "lt-1", "version": "2"}},
    {"ec2Configuration": [{"imageType": "ECS_AL2023", "imageIdOverride": "ami-1"}]},
    {"updateToLatestImageVersion": True},
    {"subnets": ["subnet-2"]},
    {"securityGroupIds": ["sg-1"]},
    {"instanceRole": "another"},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_a_running_job_survives_the_replacement_of_its_machines(world: World, change: dict[str, Any]) -> None:
    updatable(world)
    long = running(world)

    update(world, **change)

    assert environment(world)["status"] == "UPDATING"
    assert world.until(world.submit("exit", "0"), "SUCCEEDED")["attempts"]
    assert world.job(long)["status"] == "RUNNING"
    world.runner.containers[long].finish(0)
    assert len(world.until(long, "SUCCEEDED")["attempts"]) == 1
    assert environment(world)["status"] == "VALID"


@pytest.mark.parametrize(
    "change",
    [
        {"maxvCpus": 9},
        {"minvCpus": 1},
        {"maxvCpus": 4, "instanceTypes": ["m6i"]},
        {"ec2Configuration": [{"imageType": "ECS_AL2023"}]},
    ],
)
def test_an_update_of_the_size_replaces_no_machine(world: World, change: dict[str, Any]) -> None:
    updatable(world)
    running(world)

    update(world, {"terminateJobsOnUpdate": True}, **change)

    assert environment(world)["status"] == "VALID"
    assert [detail["status"] for _, detail in world.events][-1] == "RUNNING"


def test_replacing_idle_machines_ends_at_once(world: World) -> None:
    updatable(world)
    update(world, instanceTypes=["c7i"])
    assert environment(world)["status"] == "VALID"


@pytest.mark.parametrize(
    ("policy", "minutes"), [(None, 30), ({"jobExecutionTimeoutMinutes": 7200}, 7200)], ids=["default", "five days"]
)
def test_a_job_that_outlives_the_update_policy_loses_its_machine(policy: dict[str, Any] | None, minutes: int) -> None:
    clock = Later()
    world = updatable(World(clock))
    long = running(world)
    update(world, policy, instanceTypes=["c7i"])

    clock.ahead = minutes * 60 - 20
    other = world.submit("exit", "0")
    world.until(other, "SUCCEEDED")
    assert world.job(long)["attempts"] == []
    clock.ahead = minutes * 60 + 1
    with world.store.lock:
        world.scheduler.environment_changed()

    eventually(lambda: len(world.job(long)["attempts"]) == 1)
    assert world.job(long)["attempts"][0]["statusReason"] == HOST_TERMINATED.example
    world.until(long, "RUNNING")  # by its own retries, on a new machine
    assert environment(world)["status"] == "VALID"
    world.scheduler.stop()


def test_an_update_that_terminates_jobs_lets_them_be_retried(
    world: World,
) -> None:
    updatable(world)
    long = running(world)

    update(world, {"terminateJobsOnUpdate": True}, instanceTypes=["c7i"])

    eventually(lambda: len(world.job(long)["attempts"]) == 1)
    assert world.job(long)["attempts"][0]["statusReason"] == HOST_TERMINATED.example
    world.until(long, "RUNNING")


def test_old_machines_count_towards_the_capacity(world: World) -> None:
    updatable(world, vcpus=1)
    long = running(world)
    update(world, instanceTypes=["c7i"])

    waiting = world.submit("exit", "0")
    world.until(waiting, "RUNNABLE")
    world.runner.containers[long].finish(0)

    world.until(waiting, "SUCCEEDED")


def test_machines_cannot_change_during_an_update_but_the_state_can(
    world: World,
) -> None:
    updatable(world)
    running(world)
    update(world, instanceTypes=["c7i"])

    with pytest.raises(RefusedError, match="resource is being modified"):
        update(world, instanceTypes=["c6i"])
    world.call("UpdateComputeEnvironment", computeEnvironment="spot", state="DISABLED")

    found = environment(world)
    assert (found["state"], found["computeResources"]["instanceTypes"]) == ("DISABLED", ["c7i"])


@pytest.mark.parametrize(
    ("strategy", "more", "text"),
    [
        ("BEST_FIT", {}, "allocationStrategy must be one of"),
        ("SPOT_CAPACITY_OPTIMIZED", {"serviceRole": "arn:aws:iam::1:role/own"}, "must be AWSServiceRoleForBatch"),
    ],
)
def test_an_environment_that_aws_cannot_replace_is_refused(
    world: World, strategy: str, more: dict[str, Any], text: str
) -> None:
    updatable(world, strategy, **more)
    with pytest.raises(RefusedError, match=text):
        update(world, instanceTypes=["c7i"])
    update(world, maxvCpus=9)


def test_an_update_policy_beyond_five_days_is_refused(world: World) -> None:
    updatable(world)
    with pytest.raises(RefusedError, match="at most 7,200, got 7,201"):
        update(world, {"jobExecutionTimeoutMinutes": 7201}, instanceTypes=["c7i"])


def test_deleting_an_environment_ends_the_machine_of_a_running_job(world: World) -> None:
    updatable(world)
    long = running(world)
    world.environment("other")
    world.call("UpdateJobQueue", jobQueue="spot", computeEnvironmentOrder=[{"order": 1, "computeEnvironment": "other"}])
    world.call("UpdateComputeEnvironment", computeEnvironment="spot", state="DISABLED")
    assert world.job(long)["status"] == "RUNNING"

    world.call("DeleteComputeEnvironment", computeEnvironment="spot")

    eventually(lambda: len(world.job(long)["attempts"]) == 1)
    assert world.job(long)["attempts"][0]["statusReason"] == HOST_TERMINATED.example
    world.until(long, "RUNNING")


def test_machines_that_batch_starts_have_the_newest_image(world: World) -> None:
    updatable(world)
    assert "batchImageStatus" not in environment(world)["computeResources"]["ec2Configuration"][0]
    world.until(world.submit("exit", "0"), "SUCCEEDED")
    assert environment(world)["computeResources"]["ec2Configuration"][0]["batchImageStatus"] == "LATEST"


def test_a_restart_of_the_sandbox_completes_an_update(world: World) -> None:
    updatable(world)
    running(world)
    update(world, instanceTypes=["c7i"])
    saved = json.loads(json.dumps(world.store.save()))
    assert saved["environments"]["spot"]["status"] == "UPDATING"

    again = World()
    again.store.load(saved)
    again.scheduler.start()

    assert environment(again)["status"] == "VALID"
    again.scheduler.stop()
