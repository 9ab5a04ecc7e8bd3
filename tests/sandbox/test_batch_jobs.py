from typing import Any

import pytest

from tests.sandbox.batch_world import ARNS, RefusedError, World, eventually


class TestSubmitting:
    @pytest.mark.parametrize("reference", ["count", "count:1", ARNS.of("job-definition", "count:1")])
    def test_a_submitted_job_keeps_the_revision_its_definition_named(self, world: World, reference: str) -> None:
        world.ready()

        answer = world.call("SubmitJob", jobName="j", jobQueue=ARNS.of("job-queue", "spot"), jobDefinition=reference)

        assert world.job(answer["jobId"])["jobDefinition"] == ARNS.of("job-definition", "count:1")

    def test_a_disabled_queue_refuses_jobs(self, world: World) -> None:
        world.ready()
        world.call("UpdateJobQueue", jobQueue="spot", state="DISABLED")

        with pytest.raises(RefusedError, match="DISABLED") as refused:
            world.submit()

        assert refused.value.code == "ClientException"

    def test_an_inactive_revision_is_refused(self, world: World) -> None:
        world.ready()
        world.call("DeregisterJobDefinition", jobDefinition="count:1")

        with pytest.raises(RefusedError, match="not found"):
            world.submit()

    def test_overrides_and_parameters_reach_the_container(self, world: World) -> None:
        world.environment()
        world.queue()
        world.definition(command=("exit", "Ref::code", "Ref::unknown"), parameters={"code": "9"})
        world.scheduler.start()

        job = world.call(
            "SubmitJob",
            jobName="j",
            jobQueue="spot",
            jobDefinition="count",
            parameters={"code": "0"},
            containerOverrides={
                "environment": [{"name": "A", "value": "1"}],
                "resourceRequirements": [{"type": "MEMORY", "value": "512"}],
            },
        )["jobId"]

        container = world.until(job, "SUCCEEDED")["container"]
        assert container["command"] == ["exit", "0", "Ref::unknown"]
        assert container["environment"] == [{"name": "A", "value": "1"}]
        assert {each["type"]: each["value"] for each in container["resourceRequirements"]} == {
            "VCPU": "1",
            "MEMORY": "512",
        }

    @pytest.mark.parametrize(
        ("share", "message"), [(None, "required"), ("a-b", "letters and digits"), ("", "required")]
    )
    def test_a_fair_share_queue_refuses_a_missing_or_malformed_share(
        self, world: World, share: str | None, message: str
    ) -> None:
        world.environment()
        world.queue(schedulingPolicyArn=world.call("CreateSchedulingPolicy", name="fair")["arn"])
        world.definition()

        with pytest.raises(RefusedError, match=message):
            world.submit(shareIdentifier=share)

    @pytest.mark.parametrize("size", [1, 10_001])
    def test_an_array_of_an_impossible_size_is_refused(self, world: World, size: int) -> None:
        world.ready()

        with pytest.raises(RefusedError, match="must be 2 to 10,000"):
            world.submit(arrayProperties={"size": size})


class TestListing:
    def test_listing_without_a_filter_returns_running_jobs_only(self, world: World) -> None:
        world.ready()
        running, done = world.submit("wait"), world.submit("exit", "0")
        world.until(running, "RUNNING")
        world.until(done, "SUCCEEDED")

        assert [each["jobId"] for each in world.call("ListJobs", jobQueue="spot")["jobSummaryList"]] == [running]
        ended = world.call("ListJobs", jobQueue="spot", jobStatus="SUCCEEDED")["jobSummaryList"]
        assert [each["jobId"] for each in ended] == [done]

    @pytest.mark.parametrize(("pattern", "names"), [("one", {"one"}), ("ON*", {"one", "once"}), ("none", set())])
    def test_listing_by_name_returns_jobs_in_any_state(self, world: World, pattern: str, names: set[str]) -> None:
        world.ready()
        for name in ("one", "once", "two"):
            world.until(world.submit(name=name), "SUCCEEDED")

        found = world.call("ListJobs", jobQueue="spot", filters=[{"name": "JOB_NAME", "values": [pattern]}])

        assert {each["jobName"] for each in found["jobSummaryList"]} == names

    def test_paging_through_an_array_returns_each_child_once(self, world: World) -> None:
        world.ready()
        parent = world.submit("exit", "0", arrayProperties={"size": 7})
        world.until(parent, "SUCCEEDED")

        indexes: list[int] = []
        more: dict[str, Any] = {}
        while True:
            page = world.call("ListJobs", arrayJobId=parent, jobStatus="SUCCEEDED", maxResults=3, **more)
            indexes += [each["arrayProperties"]["index"] for each in page["jobSummaryList"]]
            if "nextToken" not in page:
                break
            more = {"nextToken": page["nextToken"]}

        assert indexes == list(range(7))

    def test_listing_requires_a_queue_or_an_array(self, world: World) -> None:
        with pytest.raises(RefusedError, match="exactly one"):
            world.call("ListJobs")

    def test_describing_more_than_100_jobs_is_refused(self, world: World) -> None:
        with pytest.raises(RefusedError, match="at most 100"):
            world.call("DescribeJobs", jobs=[str(number) for number in range(101)])

    def test_describing_omits_unknown_ids(self, world: World) -> None:
        world.ready()

        assert world.call("DescribeJobs", jobs=["unknown", "a:1"])["jobs"] == []


class TestEnding:
    def test_a_cancelled_waiting_job_fails_with_the_reason(self, world: World) -> None:
        world.ready()
        world.call("UpdateComputeEnvironment", computeEnvironment="spot", state="DISABLED")
        job = world.submit("exit", "0")
        world.until(job, "RUNNABLE")

        world.call("CancelJob", jobId=job, reason="not needed")

        found = world.job(job)
        assert (found["status"], found["statusReason"], found["isCancelled"]) == ("FAILED", "not needed", True)
        assert "startedAt" not in found

    def test_cancelling_does_not_end_a_running_job(self, world: World) -> None:
        world.ready()
        job = world.submit("wait")
        world.until(job, "RUNNING")

        world.call("CancelJob", jobId=job, reason="too late")
        world.runner.containers[job].finish(0)

        assert world.until(job, "SUCCEEDED", "FAILED")["status"] == "SUCCEEDED"

    def test_a_terminated_running_job_is_signalled_and_fails_without_a_retry(self, world: World) -> None:
        world.ready()
        job = world.submit("wait", retryStrategy={"attempts": 3})
        world.until(job, "RUNNING")

        world.call("TerminateJob", jobId=job, reason="enough")
        container = world.runner.containers[job]
        assert container.signalled
        container.finish(143)

        found = world.until(job, "FAILED")
        assert (found["statusReason"], found["isTerminated"]) == ("enough", True)
        assert [each["container"]["exitCode"] for each in found["attempts"]] == [143]

    def test_terminating_an_array_ends_all_its_children(self, world: World) -> None:
        world.ready()
        parent = world.submit("wait", arrayProperties={"size": 6})  # four fit the environment
        eventually(lambda: len(world.runner.containers) == 4)

        world.call("TerminateJob", jobId=parent, reason="enough")
        for container in world.runner.containers.values():
            container.finish(143)

        found = world.until(parent, "FAILED")
        assert found["arrayProperties"]["statusSummary"]["FAILED"] == 6
        assert len(world.runner.started) == 4
