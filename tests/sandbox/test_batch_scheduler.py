import json
from collections import Counter, defaultdict

import pytest

from dropbatch.contract.batch_reasons import HOST_TERMINATED
from dropbatch.sandbox.batch.clock import Clock
from dropbatch.sandbox.batch.retry import retries
from tests.sandbox.batch_world import World, eventually


def test_a_job_reports_every_state_once_in_order(world: World) -> None:
    world.ready()

    job = world.submit("exit", "0")
    found = world.until(job, "SUCCEEDED")

    assert world.statuses(job) == ["SUBMITTED", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED"]
    assert found["createdAt"] <= found["startedAt"] <= found["stoppedAt"]
    (attempt,) = found["attempts"]
    assert attempt["container"]["exitCode"] == 0
    assert attempt["container"]["logStreamName"] == found["container"]["logStreamName"]
    assert attempt["container"]["taskArn"].startswith("arn:aws:ecs:eu-central-1:000000000000:task/AWSBatch-spot/")


def test_a_failed_program_without_retries_fails_the_job_with_its_exit_code(world: World) -> None:
    world.ready()

    found = world.until(world.submit("exit", "3"), "FAILED")

    assert found["container"]["exitCode"] == 3
    assert found["statusReason"] == "Essential container in task exited"


def test_an_array_waits_for_its_children_which_differ_by_index(world: World) -> None:
    world.ready()

    parent = world.submit("exit", "0", arrayProperties={"size": 3})
    found = world.until(parent, "SUCCEEDED")

    assert found["arrayProperties"]["size"] == 3
    assert found["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 3
    assert sorted(task.index for task in world.runner.started if task.index is not None) == [0, 1, 2]
    assert world.job(f"{parent}:1")["arrayProperties"]["index"] == 1
    assert world.statuses(parent) == ["SUBMITTED", "PENDING", "SUCCEEDED"]
    parents = [detail for _, detail in world.events if detail["jobId"] == parent]
    assert all("index" not in detail["arrayProperties"] for detail in parents)
    for index in range(3):
        assert world.statuses(f"{parent}:{index}") == ["SUBMITTED", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED"]


def test_the_largest_array_reports_every_event_of_each_child_once_in_order() -> None:
    world = World(most_at_once=8)
    told: dict[str, list[str]] = defaultdict(list)
    world.scheduler._emit = lambda kind, arns, detail: told[detail["jobId"]].append(detail["status"])
    world.ready()

    parent = world.submit("exit", "0", arrayProperties={"size": 10_000})
    world.until(parent, "SUCCEEDED", seconds=120)

    assert told.pop(parent) == ["SUBMITTED", "PENDING", "SUCCEEDED"]
    assert len(told) == 10_000
    assert {tuple(each) for each in told.values()} == {("SUBMITTED", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED")}
    world.scheduler.stop()


def test_a_failed_child_fails_the_array(world: World) -> None:
    world.ready()
    parent = world.submit("wait", arrayProperties={"size": 2})
    eventually(lambda: len(world.runner.containers) == 2)

    world.runner.containers[f"{parent}:0"].finish(0)
    world.runner.containers[f"{parent}:1"].finish(1)

    assert world.until(parent, "FAILED")["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 1


def test_a_waiting_job_starts_when_vcpus_become_free(world: World) -> None:
    world.ready()
    jobs = [world.submit("wait") for _ in range(5)]
    eventually(lambda: len(world.runner.started) == 4)
    world.until(jobs[4], "RUNNABLE")

    world.runner.containers[jobs[0]].finish(0)

    world.until(jobs[4], "RUNNING")


def test_jobs_start_when_their_environment_is_enabled_again(world: World) -> None:
    world.ready()
    world.call("UpdateComputeEnvironment", computeEnvironment="spot", state="DISABLED")
    job = world.submit("exit", "0")
    world.until(job, "RUNNABLE")

    world.call("UpdateComputeEnvironment", computeEnvironment="spot", state="ENABLED")

    world.until(job, "SUCCEEDED")


def test_jobs_in_a_disabled_queue_still_run(world: World) -> None:
    world.ready()
    world.call("UpdateComputeEnvironment", computeEnvironment="spot", state="DISABLED")
    job = world.submit("exit", "0")

    world.call("UpdateJobQueue", jobQueue="spot", state="DISABLED")
    world.call("UpdateComputeEnvironment", computeEnvironment="spot", state="ENABLED")

    world.until(job, "SUCCEEDED")


def test_a_full_environment_passes_jobs_to_the_next(world: World) -> None:
    world.environment("first", vcpus=1)
    world.environment("second", vcpus=1)
    world.queue("spot", ("first", "second"))
    world.definition()
    world.scheduler.start()

    for _ in range(2):
        world.submit("wait")
    eventually(lambda: len(world.runner.started) == 2)

    assert [task.environment_name for task in world.runner.started] == ["first", "second"]


def test_jobs_of_the_queue_with_priority_start_first(world: World) -> None:
    world.environment(vcpus=1)
    world.queue("low", priority=1)
    world.queue("high", priority=2)
    world.definition()
    low, high = world.submit("wait", queue="low"), world.submit("wait", queue="high")

    world.scheduler.start()  # both are there when it begins

    world.until(high, "RUNNING")
    assert world.job(low)["status"] == "RUNNABLE"


def test_a_lower_fair_share_weight_gets_more_jobs(world: World) -> None:
    policy = world.call(
        "CreateSchedulingPolicy",
        name="fair",
        fairsharePolicy={
            "shareDistribution": [
                {"shareIdentifier": "large", "weightFactor": 0.5},
                {"shareIdentifier": "small", "weightFactor": 1.0},
            ]
        },
    )["arn"]
    world.environment(vcpus=6)
    world.queue(schedulingPolicyArn=policy)
    world.definition()
    shares = {world.submit("wait", shareIdentifier="small"): "small" for _ in range(6)}
    shares |= {world.submit("wait", shareIdentifier="large"): "large" for _ in range(6)}

    world.scheduler.start()
    eventually(lambda: len(world.runner.started) == 6)

    assert Counter(shares[task.job_id] for task in world.runner.started) == {"large": 4, "small": 2}


def test_a_retried_job_ends_with_the_result_of_the_second_try(world: World) -> None:
    world.ready()

    job = world.submit("fails-once", retryStrategy={"attempts": 2})
    found = world.until(job, "SUCCEEDED")

    assert [each["container"]["exitCode"] for each in found["attempts"]] == [1, 0]
    assert [task.attempt for task in world.runner.started] == [1, 2]
    assert world.statuses(job).count("RUNNABLE") == 2


def test_a_timed_out_job_is_signalled_and_killed_30_seconds_later() -> None:
    world = World(Clock(speed=600)).ready()  # a minute is a tenth of a second

    job = world.submit("wait", timeout={"attemptDurationSeconds": 60}, retryStrategy={"attempts": 3})
    found = world.until(job, "FAILED")

    assert world.runner.containers[job].signalled
    assert found["statusReason"] == "Job attempt duration exceeded timeout"
    assert len(found["attempts"]) == 1
    assert found["attempts"][0]["stoppedAt"] - found["attempts"][0]["startedAt"] >= 90_000
    world.scheduler.stop()


def test_restored_jobs_with_tries_left_run_again(world: World) -> None:
    world.ready()
    again = world.submit("wait", retryStrategy={"attempts": 2})
    lost = world.submit("wait")
    array = world.submit("wait", arrayProperties={"size": 2}, retryStrategy={"attempts": 2})
    eventually(lambda: len(world.runner.containers) == 4)
    world.runner.containers[f"{array}:0"].finish(0)
    world.until(f"{array}:0", "SUCCEEDED")

    world.scheduler.stop()
    saved = json.loads(json.dumps(world.store.save()))
    restored = World()
    restored.store.load(saved)
    restored.scheduler.start()

    restored.until(again, "RUNNING")
    assert restored.job(again)["attempts"][0]["statusReason"] == HOST_TERMINATED.example
    assert restored.job(lost)["status"] == "FAILED"
    restored.until(f"{array}:1", "RUNNING")
    for container in restored.runner.containers.values():
        container.finish(0)
    assert restored.until(array, "SUCCEEDED")["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 2
    restored.scheduler.stop()


def test_ended_jobs_are_forgotten_after_a_week() -> None:
    class Later(Clock):
        days = 0

        def now(self) -> float:
            return super().now() + self.days * 24 * 3600

    clock = Later()
    world = World(clock)
    world.ready()
    old = world.submit("exit", "0")
    world.until(old, "SUCCEEDED")

    clock.days = 8
    new = world.submit("exit", "0")

    assert world.call("DescribeJobs", jobs=[old])["jobs"] == []
    world.until(new, "SUCCEEDED")
    world.scheduler.stop()


@pytest.mark.parametrize(
    ("rules", "exit_code", "reason", "status_reason", "expected"),
    [
        ([], 1, "", "", True),  # no rule matches: tried again
        ([{"onExitCode": "1", "action": "exit"}], 1, "", "", False),
        ([{"onExitCode": "1*", "action": "exit"}], 137, "", "", False),
        ([{"onExitCode": "7", "action": "exit"}], 1, "", "", True),
        (
            [{"onStatusReason": "Host EC2*", "action": "RETRY"}, {"onReason": "*", "action": "EXIT"}],
            1,
            "",
            HOST_TERMINATED.example,
            True,
        ),
        (
            [{"onStatusReason": "Host EC2*", "action": "retry"}, {"onReason": "*", "action": "exit"}],
            1,
            "",
            "ended",
            False,
        ),
        ([{"onReason": "*", "action": "exit"}, {"onExitCode": "1", "action": "retry"}], 1, "", "", False),  # in order
        ([{"onExitCode": "1", "onReason": "Out*", "action": "exit"}], 1, "other", "", True),  # all conditions of a rule
        ([{"onReason": "CannotPull*", "action": "exit"}], None, "CannotPullContainerError: x", "", False),
    ],
)
def test_the_first_matching_retry_rule_decides(
    rules: list[dict[str, str]], exit_code: int | None, reason: str, status_reason: str, expected: bool
) -> None:
    strategy = {"attempts": 3, "evaluateOnExit": rules}

    found = retries(strategy, tries=1, exit_code=exit_code, reason=reason, status_reason=status_reason)

    assert found is expected


def test_a_job_without_tries_left_is_not_retried() -> None:
    assert not retries({"attempts": 2}, tries=2, exit_code=1, reason="", status_reason="")
