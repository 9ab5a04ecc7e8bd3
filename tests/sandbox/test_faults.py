"""Injected faults in a Batch without a server."""

from collections.abc import Callable
from typing import Any

import pytest

from dropbatch.contract.batch_reasons import HOST_TERMINATED, INSUFFICIENT_CAPACITY, MAX_VCPUS_TOO_SMALL, OUT_OF_MEMORY
from dropbatch.sandbox.batch.api import LOST
from dropbatch.sandbox.batch.clock import Clock
from dropbatch.sandbox.batch.errors import ClientError
from dropbatch.sandbox.batch.faults import KINDS, Faults
from dropbatch.sandbox.batch.faulty import FaultyDelivery
from tests.sandbox.batch_world import RefusedError, World, eventually

CAPACITY = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"


def limit(seconds: int, reason: str = CAPACITY) -> dict[str, Any]:
    return {"reason": reason, "state": "RUNNABLE", "maxTimeSeconds": seconds, "action": "CANCEL"}


def blocked(world: World) -> list[dict[str, Any]]:
    return [detail for kind, detail in world.events if kind == "Batch Job Queue Blocked"]


def test_a_job_without_capacity_waits_and_one_event_gives_the_reason(world: World) -> None:
    world.ready()
    world.fault("no-capacity", queue="spot")

    head, behind = world.submit("exit", "0"), world.submit("exit", "0")
    eventually(lambda: world.job(head).get("statusReason") == INSUFFICIENT_CAPACITY.example)
    world.until(behind, "RUNNABLE")

    (event,) = blocked(world)
    assert (event["jobId"], event["status"], event["statusReason"]) == (head, "RUNNABLE", INSUFFICIENT_CAPACITY.example)
    assert "statusReason" not in world.job(behind)


def test_jobs_run_when_capacity_returns(world: World) -> None:
    world.ready()
    world.fault("no-capacity")
    job = world.submit("exit", "0")
    eventually(lambda: bool(blocked(world)))

    world.faults.clear("no-capacity")
    with world.store.lock:
        world.scheduler.environment_changed()

    assert world.until(job, "SUCCEEDED")["statusReason"] == "Essential container in task exited"


def test_a_queue_without_capacity_does_not_delay_another(world: World) -> None:
    world.ready()
    world.environment("od")
    world.queue("lab-od", ("od",))
    world.fault("no-capacity", queue="spot")

    stuck = world.submit("exit", "0")
    world.until(world.submit("exit", "0", queue="lab-od"), "SUCCEEDED")

    world.until(stuck, "RUNNABLE")


def test_a_time_limit_cancels_heads_without_capacity_one_by_one() -> None:
    world = World(Clock(speed=6000))  # ten minutes are a tenth of a second
    world.environment()
    world.queue(jobStateTimeLimitActions=[limit(600)])
    world.definition()
    world.fault("no-capacity", queue="spot")
    world.scheduler.start()

    first = world.submit("exit", "0", retryStrategy={"attempts": 3})
    second = world.submit("exit", "0")
    ended = [world.until(each, "FAILED") for each in (first, second)]

    assert {each["statusReason"] for each in ended} == {
        f"Canceled by JobStateTimeLimit action due to reason: {CAPACITY}"
    }
    assert all(each["attempts"] == [] and each["isCancelled"] for each in ended)
    assert ended[0]["stoppedAt"] - ended[0]["createdAt"] >= 600_000
    assert ended[1]["stoppedAt"] - ended[0]["stoppedAt"] >= 600_000  # only the head's time counts
    assert [each["jobId"] for each in blocked(world)] == [first, second]
    world.scheduler.stop()


def test_a_time_limit_cancels_no_job_that_waits_for_others() -> None:
    clock = Clock(speed=100_000)
    world = World(clock)
    world.environment(vcpus=1)
    world.queue(jobStateTimeLimitActions=[limit(600)])
    world.definition()
    world.scheduler.start()
    world.until(world.submit("wait"), "RUNNING")

    waiting = world.submit("wait")
    begun = clock.now()
    eventually(lambda: clock.now() > begun + 6000)

    assert world.job(waiting)["status"] == "RUNNABLE"
    assert blocked(world) == []
    world.scheduler.stop()


def test_a_job_larger_than_its_pool_is_cancelled_for_that_reason() -> None:
    reason = "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE"
    world = World(Clock(speed=6000))
    world.environment(vcpus=1)
    world.queue(jobStateTimeLimitActions=[limit(600), limit(600, reason)])
    world.definition()
    world.scheduler.start()

    resources = [{"type": "VCPU", "value": "2"}, {"type": "MEMORY", "value": "128"}]
    answer = world.call(
        "SubmitJob",
        jobName="job",
        jobQueue="spot",
        jobDefinition="count",
        containerOverrides={"resourceRequirements": resources},
    )
    found = world.until(answer["jobId"], "FAILED")

    assert found["statusReason"].endswith(reason)
    assert [each["statusReason"] for each in blocked(world)] == [MAX_VCPUS_TOO_SMALL.example]
    world.scheduler.stop()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"maxTimeSeconds": 599}, "must be 600 to 86,400, got 599"),
        ({"reason": "whatever"}, "got 'whatever'"),
        ({"action": "TERMINATE"}, "action: must be CANCEL"),
    ],
)
def test_a_time_limit_that_aws_refuses_is_refused(world: World, change: dict[str, Any], message: str) -> None:
    world.environment()

    with pytest.raises(RefusedError, match=message):
        world.queue(jobStateTimeLimitActions=[limit(600) | change])


def test_a_job_with_tries_left_survives_a_reclaimed_host(world: World) -> None:
    world.ready()
    rules = [{"onStatusReason": "Host EC2*", "action": "RETRY"}, {"onReason": "*", "action": "EXIT"}]
    job = world.submit("wait", retryStrategy={"attempts": 2, "evaluateOnExit": rules})
    other = world.submit("wait")
    for each in (job, other):
        world.until(each, "RUNNING")

    with world.store.lock:
        world.scheduler.reclaim(lambda each: each.id == job)
    eventually(lambda: len(world.job(job)["attempts"]) == 1)
    world.until(job, "RUNNING")

    (attempt,) = world.job(job)["attempts"]
    assert attempt["statusReason"] == HOST_TERMINATED.example
    assert "exitCode" not in attempt["container"]
    assert world.job(other)["attempts"] == []


def test_a_pull_error_is_retried_when_the_rules_say_so(world: World) -> None:
    world.ready()
    world.fault("pull-error")
    rules = [{"onReason": "CannotPullContainerError:*", "action": "RETRY"}, {"onReason": "*", "action": "EXIT"}]

    job = world.submit("exit", "0", retryStrategy={"attempts": 2, "evaluateOnExit": rules})
    first, _ = world.until(job, "SUCCEEDED")["attempts"]

    assert first["container"]["reason"].startswith("CannotPullContainerError: ")
    assert "startedAt" not in first
    assert world.faults.report() == []


def test_out_of_memory_kills_as_many_jobs_as_asked_with_the_reason_of_ecs(world: World) -> None:
    world.ready()
    world.fault("out-of-memory", times=2)

    ended = [world.until(world.submit("exit", "0"), "SUCCEEDED", "FAILED") for _ in range(3)]

    assert [each["status"] for each in ended] == ["FAILED", "FAILED", "SUCCEEDED"]
    assert (ended[0]["container"]["exitCode"], ended[0]["container"]["reason"]) == (137, OUT_OF_MEMORY.example)


def test_a_slow_start_keeps_a_job_in_starting() -> None:
    world = World(Clock(speed=600)).ready()
    world.fault("slow-start", seconds=60)

    found = world.until(world.submit("exit", "0"), "SUCCEEDED")

    assert found["startedAt"] - found["createdAt"] >= 60_000
    world.scheduler.stop()


def test_throttling_refuses_submissions_over_the_rate(world: World) -> None:
    world.ready()
    world.fault("throttle", rate=5)

    refused = 0
    for _ in range(20):
        try:
            world.submit("exit", "0")
        except RefusedError as error:
            refused += error.code == "TooManyRequestsException"

    assert 10 <= refused <= 15
    world.faults.clear()
    world.submit("exit", "0")


def test_a_job_exists_although_the_answer_to_its_submission_was_lost(world: World) -> None:
    world.ready()
    world.fault("lost-answer")

    first, second = world.submit("exit", "0"), world.submit("exit", "0")

    marked = [LOST in headers for operation, headers in world.answers if operation == "SubmitJob"]
    assert marked == [True, False]
    for job in (first, second):
        world.until(job, "SUCCEEDED")


def test_list_jobs_omits_young_jobs_while_it_lags() -> None:
    world = World(Clock(speed=600)).ready()
    world.fault("list-lag", seconds=60)
    job = world.submit("exit", "0")
    by_name = {"jobQueue": "spot", "filters": [{"name": "JOB_NAME", "values": ["job"]}]}

    assert world.call("ListJobs", **by_name)["jobSummaryList"] == []
    eventually(lambda: bool(world.call("ListJobs", **by_name)["jobSummaryList"]))

    assert world.job(job)
    world.scheduler.stop()


def entry(status: str, queue: str = "lab-spot") -> dict[str, Any]:
    return {"Detail": f'{{"status": "{status}", "jobQueue": "arn:aws:batch:r:0:job-queue/{queue}"}}'}


@pytest.fixture
def delivered() -> list[str]:
    return []


@pytest.fixture
def delivery(delivered: list[str]) -> Callable[[dict[str, Any]], FaultyDelivery]:
    def make(fault: dict[str, Any]) -> FaultyDelivery:
        faults = Faults()
        faults.put(fault)
        return FaultyDelivery(
            lambda entries: delivered.extend(each["Detail"].split('"')[3] for each in entries), faults, Clock(speed=600)
        )

    return make


Delivery = Callable[[dict[str, Any]], FaultyDelivery]


def test_a_dropped_event_loses_only_one_event_of_its_state(delivery: Delivery, delivered: list[str]) -> None:
    made = delivery({"fault": "drop-events", "status": "SUCCEEDED", "queue": "spot"})

    made([entry("SUCCEEDED", "other"), entry("RUNNING"), entry("SUCCEEDED"), entry("SUCCEEDED")])

    assert delivered == ["SUCCEEDED", "RUNNING", "SUCCEEDED"]


def test_duplicated_events_arrive_twice_until_cleared(delivery: Delivery, delivered: list[str]) -> None:
    made = delivery({"fault": "duplicate-events", "times": 0})

    made([entry("RUNNING"), entry("SUCCEEDED")])

    assert delivered == ["RUNNING", "RUNNING", "SUCCEEDED", "SUCCEEDED"]


def test_a_delayed_event_arrives_after_later_ones(delivery: Delivery, delivered: list[str]) -> None:
    made = delivery({"fault": "delay-events", "seconds": 60})

    made([entry("RUNNING"), entry("SUCCEEDED")])

    eventually(lambda: len(delivered) == 2)
    assert delivered == ["SUCCEEDED", "RUNNING"]


def test_a_stopping_sandbox_delivers_delayed_events(delivery: Delivery, delivered: list[str]) -> None:
    made = delivery({"fault": "delay-events", "seconds": 1e6})
    made([entry("RUNNING")])

    made.stop()

    assert delivered == ["RUNNING"]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"fault": "fire"}, "fault: one of no-capacity, .*, got 'fire'"),
        ({"fault": "throttle", "queue": "spot"}, "throttle takes rate, got queue"),
        ({"fault": "list-lag", "times": 3}, "list-lag takes seconds, got times"),
        ({"fault": "slow-start", "seconds": "long"}, "numbers"),
        ({"fault": "throttle", "rate": 0}, "at least 1"),
    ],
)
def test_an_invalid_fault_is_answered_with_valid_ones(request_: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError, match=message):
        Faults().put(request_)


def test_every_kind_can_be_set_and_taken_back() -> None:
    faults = Faults()
    for kind in KINDS:
        faults.put({"fault": kind})
    assert [each["fault"] for each in faults.report()] == list(KINDS)

    faults.clear("throttle")
    faults.clear()

    assert faults.report() == []


def test_a_changed_clock_speed_continues_from_the_current_time() -> None:
    clock = Clock()
    before = clock.now()

    clock.set_speed(10_000)
    eventually(lambda: clock.now() > before + 60)
    clock.set_speed(1)

    assert clock.now() < before + 60 + 3600
