"""The command that changes the machines of a pool, against answers in AWS's own shapes."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from dropbatch.machines import MINUTES, VARIABLE, MachinesError, await_profile, change, main, patch

ARN = "arn:aws:batch:eu-central-1:123456789012:compute-environment/dropbatch-dev-spot-1"
POLICY = {"terminateJobsOnUpdate": False, "jobExecutionTimeoutMinutes": MINUTES}
RESOURCES = {
    "type": "SPOT",
    "instanceTypes": ["m6i", "c6i"],
    "subnets": ["subnet-1", "subnet-2"],
    "launchTemplate": {"launchTemplateId": "lt-1", "version": "1"},
    "ec2Configuration": [{"imageType": "ECS_AL2023"}],
}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Prepared answers of an AWS service, all of which must be used."""
    stubs: dict[str, Stubber] = {}
    make: Any = boto3.client
    for service in ("batch", "iam"):
        client = make(service, region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
        stubs[service] = Stubber(client)
        stubs[service].activate()
    monkeypatch.setattr(boto3, "client", lambda service, region_name: stubs[service].client)
    yield stubs
    for stub in stubs.values():
        stub.assert_no_pending_responses()


def described(**resources: Any) -> dict[str, Any]:
    return {
        "computeEnvironments": [
            {
                "computeEnvironmentName": "dropbatch-dev-spot-1",
                "computeEnvironmentArn": ARN,
                "computeResources": {"maxvCpus": 8, **RESOURCES, **resources},
            }
        ]
    }


def expect_update(aws: Any, **resources: Any) -> None:
    aws["batch"].add_response(
        "update_compute_environment",
        {},
        {
            "computeEnvironment": "dropbatch-dev-spot-1",
            "computeResources": {**resources, "updateToLatestImageVersion": True},
            "updatePolicy": POLICY,
        },
    )


def has_queue(aws: Any, name: str) -> None:
    queue = {"jobQueueName": name, "jobQueueArn": "a", "state": "ENABLED", "status": "VALID", "priority": 1}
    order = [{"order": 1, "computeEnvironment": ARN}]
    answer = {"jobQueues": [{**queue, "computeEnvironmentOrder": order}]}
    aws["batch"].add_response("describe_job_queues", answer, {"jobQueues": [name]})


def test_running_jobs_get_the_longest_time_that_aws_allows() -> None:
    shape: Any = boto3.client("batch", region_name="eu-central-1").meta.service_model
    assert shape.shape_for("JobExecutionTimeoutMinutes").metadata["max"] == MINUTES


class TestChange:
    @pytest.mark.parametrize(
        "now",
        [
            {},
            {"instanceTypes": ["c6i", "m6i"], "subnets": ["subnet-2", "subnet-1"]},
            {"ec2Configuration": [{"imageType": "ECS_AL2023", "batchImageStatus": "UPDATE_AVAILABLE"}]},
            {"launchTemplate": {"launchTemplateId": "lt-1", "version": "1", "launchTemplateName": "x"}},
        ],
        ids=["same", "other order", "status of image", "name of template"],
    )
    def test_a_machine_that_is_up_to_date_is_not_changed(self, aws: Any, now: dict[str, Any]) -> None:
        aws["batch"].add_response("describe_compute_environments", described(**now), {"computeEnvironments": [ARN]})
        assert change(aws["batch"].client, ARN, RESOURCES) == []

    @pytest.mark.parametrize(
        ("name", "now"),
        [
            ("instanceTypes", ["m5"]),
            ("type", "EC2"),
            ("launchTemplate", {"launchTemplateId": "lt-1", "version": "7"}),
            ("ec2Configuration", [{"imageType": "ECS_AL2023", "imageIdOverride": "ami-1"}]),
        ],
    )
    def test_only_differences_are_changed_and_jobs_may_end(self, aws: Any, name: str, now: Any) -> None:
        aws["batch"].add_response("describe_compute_environments", described(**{name: now}))
        expect_update(aws, **{name: RESOURCES[name]})
        assert change(aws["batch"].client, ARN, RESOURCES) == [name]

    def test_terraform_passes_the_change_as_a_variable(self, aws: Any, capsys: pytest.CaptureFixture[str]) -> None:
        template = {"launchTemplateId": "lt-1", "version": 2}  # a number there
        text = json.dumps({"environment": ARN, "resources": {**RESOURCES, "launchTemplate": template}})
        aws["batch"].add_response("describe_compute_environments", described())
        expect_update(aws, launchTemplate={"launchTemplateId": "lt-1", "version": "2"})

        assert main(["change", "--region", "eu-central-1"], {VARIABLE: text}) == 0
        assert capsys.readouterr().out == (
            "dropbatch-dev-spot-1: new jobs get new machines (launchTemplate); running jobs keep theirs\n"
        )

    def test_a_refusal_names_the_fix(self, aws: Any, capsys: pytest.CaptureFixture[str]) -> None:
        text = json.dumps({"environment": ARN, "resources": RESOURCES})
        aws["batch"].add_response("describe_compute_environments", described(type="EC2"))
        aws["batch"].add_client_error("update_compute_environment", "ClientException", "resource is being modified")

        assert main(["change", "--region", "eu-central-1"], {VARIABLE: text}) == 1
        error = capsys.readouterr().err
        assert "resource is being modified" in error
        assert "deploy again when they have ended" in error

    def test_a_missing_environment_is_named(self, aws: Any) -> None:
        aws["batch"].add_response("describe_compute_environments", {"computeEnvironments": []})
        with pytest.raises(MachinesError, match="dropbatch-dev-spot-1 does not exist"):
            change(aws["batch"].client, ARN, RESOURCES)


class TestPatch:
    ARGUMENTS = ("patch", "--region=eu-central-1", "--environment=dev", "--pool=spot")

    def test_machines_get_the_newest_image(self, aws: Any) -> None:
        has_queue(aws, "dropbatch-dev-spot")
        aws["batch"].add_response("describe_compute_environments", described(), {"computeEnvironments": [ARN]})
        expect_update(aws)
        assert main(self.ARGUMENTS, {}) == 0

    def test_a_custom_image_is_kept(self, aws: Any, capsys: pytest.CaptureFixture[str]) -> None:
        own = [{"imageType": "ECS_AL2023", "imageIdOverride": "ami-1"}]
        has_queue(aws, "dropbatch-dev-spot")
        aws["batch"].add_response("describe_compute_environments", described(ec2Configuration=own))
        assert main(self.ARGUMENTS, {}) == 0
        assert "ami-1: build a newer one" in capsys.readouterr().out

    def test_a_failing_pool_does_not_prevent_the_patch_of_others(
        self, aws: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        aws["batch"].add_response("describe_job_queues", {"jobQueues": []})
        has_queue(aws, "dropbatch-dev-ondemand")
        aws["batch"].add_response("describe_compute_environments", described())
        expect_update(aws)

        assert main([*self.ARGUMENTS, "--pool=ondemand"], {}) == 1
        captured = capsys.readouterr()
        assert "there is no job queue dropbatch-dev-spot: deploy the environment first" in captured.err
        assert captured.out.startswith("ondemand: new jobs get machines with the newest image")

    def test_a_pool_without_a_queue_is_not_patched(self, aws: Any) -> None:
        aws["batch"].add_response("describe_job_queues", {"jobQueues": []})
        with pytest.raises(MachinesError):
            patch(aws["batch"].client, "dropbatch-dev-spot")


class TestProfile:
    @pytest.mark.parametrize(("old", "least", "most"), [(0, 10, 15), (3600, 0, 0), (-3600, 15, 15)])
    def test_a_new_profile_is_waited_for_briefly(self, aws: Any, old: int, least: float, most: float) -> None:
        profile = {
            "Path": "/",
            "InstanceProfileName": "machines",
            "InstanceProfileId": "AIPA0123456789012345",
            "Arn": "arn:aws:iam::123456789012:instance-profile/machines",
            "CreateDate": datetime.now(UTC) - timedelta(seconds=old),
            "Roles": [],
        }
        aws["iam"].add_response(
            "get_instance_profile", {"InstanceProfile": profile}, {"InstanceProfileName": "machines"}
        )
        slept: list[float] = []

        await_profile(aws["iam"].client, "machines", slept.append)

        (seconds,) = slept
        assert least <= seconds <= most

    def test_the_sandbox_needs_no_waiting(self) -> None:
        sandbox = {"DROPBATCH_SANDBOX_DIR": "here"}
        assert main(["await-profile", "--region", "eu-central-1", "--profile", "machines"], sandbox) == 0
