"""Jobs that wait for others."""

from typing import Any

import pytest

from dropbatch.sandbox.batch.clock import Clock
from tests.sandbox.batch_world import RefusedError, World, eventually


def test_a_job_leaves_pending_when_its_dependency_succeeds(world: World) -> None:
    world.ready()
    first = world.submit("wait")
    second = world.submit("exit", "0", dependsOn=[{"jobId": first}])
    world.until(second, "PENDING")

    world.runner.containers[first].finish(0)

    world.until(second, "SUCCEEDED")


def test_a_job_fails_when_its_dependency_fails(world: World) -> None:
    world.ready()
    first = world.submit("wait")
    second = world.submit("exit", "0", dependsOn=[{"jobId": first}])
    world.until(second, "PENDING")

    world.runner.containers[first].finish(1)

    assert world.until(second, "FAILED")["statusReason"] == "Dependent Job failed"


def test_a_sequential_array_runs_its_children_one_after_the_other(
    world: World,
) -> None:
    world.ready()

    parent = world.submit("exit", "0", arrayProperties={"size": 4}, dependsOn=[{"type": "SEQUENTIAL"}])
    world.until(parent, "SUCCEEDED")

    assert [task.index for task in world.runner.started] == [0, 1, 2, 3]
    assert world.statuses(parent) == ["SUBMITTED", "PENDING", "SUCCEEDED"]
    assert world.statuses(f"{parent}:0") == ["SUBMITTED", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED"]
    assert world.statuses(f"{parent}:3") == ["SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED"]
    assert world.job(parent)["dependsOn"] == [{"type": "SEQUENTIAL"}]


def test_a_failed_child_of_a_sequential_array_fails_the_children_after_it(world: World) -> None:
    world.ready()

    parent = world.submit("wait", arrayProperties={"size": 3000}, dependsOn=[{"type": "SEQUENTIAL"}])
    world.until(f"{parent}:0", "RUNNING")
    world.runner.containers[f"{parent}:0"].finish(1)
    found = world.until(parent, "FAILED")

    assert found["arrayProperties"]["statusSummary"]["FAILED"] == 3000
    assert world.job(f"{parent}:2999")["statusReason"] == "Dependent Job failed"
    assert len(world.runner.started) == 1


def test_n_to_n_arrays_make_each_child_wait_for_its_counterpart(world: World) -> None:
    world.ready()
    first = world.submit("wait", arrayProperties={"size": 2})
    after = {"jobId": first, "type": "N_TO_N"}
    second = world.submit("exit", "0", arrayProperties={"size": 2}, dependsOn=[after])
    eventually(lambda: {f"{first}:0", f"{first}:1"} <= set(world.runner.containers))
    world.until(f"{second}:1", "PENDING")

    world.runner.containers[f"{first}:1"].finish(0)
    world.until(f"{second}:1", "SUCCEEDED")

    assert world.job(f"{second}:0")["status"] == "PENDING"
    world.runner.containers[f"{first}:0"].finish(1)
    assert world.until(f"{second}:0", "FAILED")["statusReason"] == "Dependent Job failed"
    assert world.until(second, "FAILED")["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 1


def test_a_job_that_depends_on_an_array_waits_for_all_its_children(world: World) -> None:
    world.ready()
    array = world.submit("wait", arrayProperties={"size": 2})
    last = world.submit("exit", "0", dependsOn=[{"jobId": array}, {"jobId": array}])
    eventually(lambda: len(world.runner.containers) == 2)

    world.runner.containers[f"{array}:0"].finish(0)
    world.until(f"{array}:0", "SUCCEEDED")
    assert world.job(last)["status"] == "PENDING"
    world.runner.containers[f"{array}:1"].finish(0)

    world.until(last, "SUCCEEDED")


def test_a_cancelled_pending_job_ends_and_its_dependents_fail(world: World) -> None:
    world.ready()
    first = world.submit("wait")
    second = world.submit("exit", "0", dependsOn=[{"jobId": first}])
    third = world.submit("exit", "0", dependsOn=[{"jobId": second}])
    world.until(third, "PENDING")

    world.call("CancelJob", jobId=second, reason="not now")

    assert world.until(second, "FAILED")["statusReason"] == "not now"
    assert world.until(third, "FAILED")["statusReason"] == "Dependent Job failed"


def test_restored_jobs_still_wait_for_their_dependencies(world: World) -> None:
    world.environment()
    world.queue()
    world.definition()
    first = world.submit("exit", "0", arrayProperties={"size": 2}, dependsOn=[{"type": "SEQUENTIAL"}])
    second = world.submit("exit", "0", arrayProperties={"size": 2}, dependsOn=[{"jobId": first, "type": "N_TO_N"}])
    later = World(Clock())
    later.store.load(world.store.save())

    later.scheduler.start()
    later.until(second, "SUCCEEDED")
    later.scheduler.stop()

    places = [task.job_id for task in later.runner.started]
    assert places.index(f"{first}:0") < places.index(f"{first}:1")
    assert places.index(f"{first}:1") < places.index(f"{second}:1")


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"dependsOn": [{"jobId": "none"}]}, "job none does not exist"),
        ({"dependsOn": [{"jobId": "JOB"}] * 21}, "at most 20 jobs, got 21"),
        ({"dependsOn": [{"type": "SEQUENTIAL"}]}, "SEQUENTIAL is for array jobs only"),
        ({"dependsOn": [{"type": "SEQUENTIAL", "jobId": "JOB"}], "arrayProperties": {"size": 2}}, "takes no jobId"),
        (
            {"dependsOn": [{"type": "N_TO_N", "jobId": "JOB"}], "arrayProperties": {"size": 2}},
            "has 2 children, .* has 0",
        ),
        ({"dependsOn": [{"type": "ONE"}], "arrayProperties": {"size": 2}}, "one of N_TO_N, SEQUENTIAL, got 'ONE'"),
    ],
)
def test_an_impossible_dependency_is_refused(world: World, request_: dict[str, Any], said: str) -> None:
    world.ready()
    there = world.submit("exit", "0")
    for each in request_["dependsOn"]:
        if each.get("jobId") == "JOB":
            each["jobId"] = there

    with pytest.raises(RefusedError, match=said) as caught:
        world.submit("exit", "0", **request_)

    assert caught.value.code == "ClientException"
