"""Order of jobs in a queue with a fair-share policy, and jobs that no machine can hold."""

from typing import Any

import pytest

from dropbatch.contract.batch_reasons import INSUFFICIENT_RESOURCES, MAX_VCPUS_TOO_SMALL
from dropbatch.sandbox.batch.clock import Clock
from dropbatch.sandbox.batch.shares import Shares
from tests.sandbox.batch_world import World, eventually


def fair(world: World, vcpus: int, **policy: Any) -> World:
    """A queue with a fair-share policy."""
    arn = world.call("CreateSchedulingPolicy", name="fair", fairsharePolicy=policy)["arn"]
    world.environment(vcpus=vcpus)
    world.queue(schedulingPolicyArn=arn)
    world.definition()
    world.scheduler.start()
    return world


class TestUse:
    def test_past_use_decays_over_time(self) -> None:
        now = [0.0]
        shares = Shares(lambda: now[0])
        shares.add("queue", "a", 8, 3600)
        now[0] += 3600
        shares.add("queue", "a", -8, 3600)

        assert shares.use("queue", "a", 3600) == pytest.approx(8 * (1 - 1 / 2.71828), rel=1e-4)
        before = shares.use("queue", "a", 3600)
        now[0] += 3600
        assert shares.use("queue", "a", 3600) == pytest.approx(before / 2.71828, rel=1e-4)
        assert list(shares.active("queue", 3600)) == []

    def test_running_jobs_count_at_once_and_in_full(self) -> None:
        shares = Shares(lambda: 0.0)
        shares.add("queue", "a", 2, 0)
        shares.add("queue", "b", 3, 0)

        assert (shares.use("queue", "a", 0), shares.use("queue", "b", 0), shares.running("queue")) == (2, 3, 5)
        assert sorted(shares.active("queue", 0)) == ["a", "b"]


def test_the_share_that_used_less_goes_first() -> None:
    world = fair(World(Clock(speed=20_000)), 1, shareDecaySeconds=604_800)
    greedy = world.submit("wait", shareIdentifier="greedy")
    world.until(greedy, "RUNNING")
    begun = world.clock.now()
    eventually(lambda: world.clock.now() - begun > 7200)
    waiting = [world.submit("wait", shareIdentifier=share) for share in ("greedy", "greedy", "modest")]
    world.until(waiting[2], "RUNNABLE")

    world.runner.containers[greedy].finish(0)

    world.until(waiting[2], "RUNNING")
    assert [world.job(job)["status"] for job in waiting[:2]] == ["RUNNABLE", "RUNNABLE"]
    world.scheduler.stop()


def test_a_reservation_keeps_capacity_for_other_shares(world: World) -> None:
    fair(world, 4, computeReservation=50)  # one share: half is reserved; two: a quarter
    first = [world.submit("wait", shareIdentifier="first") for _ in range(4)]
    eventually(lambda: len(world.runner.started) == 2)
    world.until(first[3], "RUNNABLE")
    assert len(world.runner.started) == 2

    second = [world.submit("wait", shareIdentifier="second") for _ in range(2)]
    eventually(lambda: len(world.runner.started) == 3)

    assert world.job(second[0])["status"] in {"STARTING", "RUNNING"}
    assert world.until(second[1], "RUNNABLE")["status"] == "RUNNABLE"
    assert "statusReason" not in world.job(second[1])


def test_a_fully_reserved_idle_queue_still_starts_a_job(world: World) -> None:
    fair(world, 2, computeReservation=99)

    world.until(world.submit("exit", "0", shareIdentifier="only"), "SUCCEEDED")


@pytest.mark.parametrize(
    ("needs", "reason"),
    [
        ({"VCPU": "2", "MEMORY": "600000"}, INSUFFICIENT_RESOURCES.example),
        ({"VCPU": "2", "MEMORY": "128", "GPU": "1"}, INSUFFICIENT_RESOURCES.example),
        ({"VCPU": "999", "MEMORY": "128"}, MAX_VCPUS_TOO_SMALL.example),
    ],
)
def test_a_job_too_large_for_every_machine_is_reported_and_cancelled(needs: dict[str, str], reason: str) -> None:
    world = World(Clock(speed=2000))
    world.environment(vcpus=256)
    code = reason.partition(" - ")[0]
    action = {"reason": code, "state": "RUNNABLE", "maxTimeSeconds": 600, "action": "CANCEL"}
    world.queue(jobStateTimeLimitActions=[action])
    world.definition()
    world.scheduler.start()
    requirements = [{"type": kind, "value": value} for kind, value in needs.items()]

    job = world.submit(containerOverrides={"resourceRequirements": requirements})
    eventually(lambda: world.job(job).get("statusReason") == reason, lambda: world.job(job))
    found = world.until(job, "FAILED")

    assert found["statusReason"] == f"Canceled by JobStateTimeLimit action due to reason: {code}"
    assert [kind for kind, _ in world.events].count("Batch Job Queue Blocked") == 1
    world.scheduler.stop()


def test_a_job_goes_to_the_environment_whose_machines_hold_it(world: World) -> None:
    resources = {"type": "EC2", "minvCpus": 0, "maxvCpus": 64, "subnets": ["s"], "instanceRole": "r"}
    for name, types in (("small", ["t3.small"]), ("large", ["m6i"])):
        world.call(
            "CreateComputeEnvironment",
            computeEnvironmentName=name,
            type="MANAGED",
            computeResources={**resources, "instanceTypes": types},
        )
    world.queue("spot", ("small", "large"))
    world.definition()
    world.scheduler.start()
    needs = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "4000"}]

    job = world.submit(containerOverrides={"command": ["exit", "0"], "resourceRequirements": needs})
    world.until(job, "SUCCEEDED")

    assert [task.environment_name for task in world.runner.started] == ["large"]


def test_a_job_that_fits_no_environment_is_reported(
    world: World,
) -> None:
    resources = {"type": "EC2", "minvCpus": 0, "subnets": ["s"], "instanceRole": "r"}
    for name, types, most in (("narrow", ["m6i"], 2), ("small", ["t3.small"], 64)):
        world.call(
            "CreateComputeEnvironment",
            computeEnvironmentName=name,
            type="MANAGED",
            computeResources={**resources, "instanceTypes": types, "maxvCpus": most},
        )
    world.queue("spot", ("narrow", "small"))
    world.definition()
    world.scheduler.start()
    needs = [{"type": "VCPU", "value": "4"}, {"type": "MEMORY", "value": "4000"}]

    job = world.submit(containerOverrides={"resourceRequirements": needs})

    eventually(lambda: world.job(job).get("statusReason") == INSUFFICIENT_RESOURCES.example, lambda: world.job(job))
