"""Two labs on one pool: the jobs that the arrival function submits, and the order in which our scheduler starts them.

On AWS the scheduler is that of Batch; these tests say nothing about it.
"""

from types import SimpleNamespace
from typing import Any

import pytest

from lambdas.arrival.flow import ArrivalFlow
from tests.lambdas.conftest import DEPLOYMENT, dropped, make_arrival
from tests.lambdas.simulated_aws import SimulatedAws
from tests.sandbox.batch_world import World, eventually

MACHINES = 8
WAITING = 2000


def world_with(weights: dict[str, float]) -> World:
    """The pool `spot` of a deployment of two groups, with the stack's fair-share policy."""
    world = World()
    policy = world.call(
        "CreateSchedulingPolicy",
        name="fair",
        fairsharePolicy={
            "shareDecaySeconds": 3600,
            "computeReservation": 0,
            "shareDistribution": [
                {"shareIdentifier": group, "weightFactor": factor} for group, factor in weights.items()
            ],
        },
    )["arn"]
    world.environment(vcpus=MACHINES)
    world.queue(DEPLOYMENT.pools["spot"].queue, schedulingPolicyArn=policy)
    for definition in DEPLOYMENT.pipelines["wordcount"].definitions.values():
        world.definition(definition, command=("wait",))
    world.scheduler.start()
    return world


def arrival_to(world: World) -> ArrivalFlow:
    """The arrival function on this Batch."""
    aws = SimulatedAws()
    batch = SimpleNamespace(
        submit_job=lambda **call: world.call("SubmitJob", **call),
        get_paginator=lambda _: SimpleNamespace(paginate=lambda **call: [world.call("DescribeJobDefinitions", **call)]),
    )
    aws.batch = batch  # type: ignore[assignment]
    return make_arrival(aws)


def drop(arrival: ArrivalFlow, group: str, count: int) -> None:
    files = [dropped(f"{group}/wordcount/{number}.txt", message_id=f"{group}{number}") for number in range(count)]
    assert not arrival.process(files).ids


def group_of(task: Any, world: World) -> str:
    return str(world.job(task.job_id)["shareIdentifier"])


def finish_one(world: World, finished: set[str]) -> None:
    """End the job that has run longest, and wait for its successor."""
    running = [task.job_id for task in world.runner.started if task.job_id not in finished]
    count = len(world.runner.started)
    finished.add(running[0])
    world.runner.containers[running[0]].finish()
    eventually(lambda: len(world.runner.started) > count)


def test_one_file_of_a_lab_starts_before_two_thousand_of_another_that_came_first() -> None:
    world = world_with({"lab": 1.0, "neuro": 1.0})
    arrival = arrival_to(world)
    drop(arrival, "lab", WAITING)
    eventually(lambda: len(world.runner.started) == MACHINES)
    (array,) = {world.job(task.job_id)["jobName"] for task in world.runner.started}

    drop(arrival, "neuro", 1)
    finished: set[str] = set()
    while "neuro" not in {group_of(task, world) for task in world.runner.started[MACHINES:]}:
        finish_one(world, finished)
        assert len(finished) < 100, "the other lab's run still waits"

    # The next free machine: the scheduler treats each child of an array as a job.
    assert len(finished) == 1
    assert array.startswith("wordcount-lab-")


@pytest.mark.parametrize(("weights", "expected"), [((1.0, 1.0), 0.5), ((1.0, 0.3333), 0.75)])
def test_labs_that_both_wait_share_by_weight(weights: tuple[float, float], expected: float) -> None:
    world = world_with(dict(zip(("lab", "neuro"), weights, strict=True)))
    arrival = arrival_to(world)
    for group in ("lab", "neuro"):
        drop(arrival, group, 300)
    eventually(lambda: len(world.runner.started) == MACHINES)
    finished: set[str] = set()

    for _ in range(100):
        finish_one(world, finished)

    later = [group_of(task, world) for task in world.runner.started[-60:]]
    assert abs(later.count("neuro") / len(later) - expected) < 0.15
