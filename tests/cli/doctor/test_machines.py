"""Checks of the machines' images, against answers in AWS's own shapes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dropbatch.cli.doctor import Outcome
from dropbatch.cli.doctor.machines import BEFORE_DEPLOY, DEPLOYED
from dropbatch.settings import load
from tests.cli.doctor.stubs import DESCRIPTION, Stubs
from tests.infra.plans import BASE

ARN = "arn:aws:batch:eu-central-1:123456789012:compute-environment/dropbatch-dev-spot-1"
CLUSTER = "arn:aws:ecs:eu-central-1:123456789012:cluster/AWSBatch-dropbatch-dev-spot-1"
MACHINE = "arn:aws:ecs:eu-central-1:123456789012:container-instance/c/1"


def day(days: int) -> str:
    """Return the time so many days ago, as EC2 writes it."""
    return (datetime.now(UTC) - timedelta(days=days, hours=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def pools(stubs: Stubs, status: str = "VALID", reason: str = "", **configuration: str) -> Stubs:
    queue = {"jobQueueName": "dropbatch-dev-spot", "jobQueueArn": "a", "state": "ENABLED", "priority": 1}
    order = [{"order": 1, "computeEnvironment": ARN}]
    stubs.answer("batch", "describe_job_queues", {"jobQueues": [{**queue, "computeEnvironmentOrder": order}]})
    environment = {
        "computeEnvironmentName": "dropbatch-dev-spot-1",
        "computeEnvironmentArn": ARN,
        "ecsClusterArn": CLUSTER,
        "status": status,
        "statusReason": reason,
        "computeResources": {
            "type": "SPOT",
            "maxvCpus": 8,
            "subnets": [],
            "ec2Configuration": [{"imageType": "ECS_AL2023", **configuration}],
        },
    }
    stubs.answer("batch", "describe_compute_environments", {"computeEnvironments": [environment]})
    return stubs


def runs(stubs: Stubs, *days: int) -> Stubs:
    """Return stubs of running machines whose images were made so many days ago."""
    amis = [f"ami-{number}" for number, _ in enumerate(days)]
    stubs.answer(
        "ecs",
        "list_container_instances",
        {"containerInstanceArns": [MACHINE] if days else []},
        cluster=CLUSTER,
        maxResults=100,
    )
    if days:
        machines = [{"attributes": [{"name": "ecs.ami-id", "value": ami}, {"name": "other"}]} for ami in amis]
        stubs.answer("ecs", "describe_container_instances", {"containerInstances": machines})
        images = [{"ImageId": ami, "CreationDate": day(each)} for ami, each in zip(amis, days, strict=True)]
        stubs.answer("ec2", "describe_images", {"Images": images}, ImageIds=amis, IncludeDeprecated=True)
    return stubs


def test_a_newer_image_is_a_problem_with_a_command_that_fixes_it() -> None:
    stubs = runs(pools(Stubs(), batchImageStatus="UPDATE_AVAILABLE"), 3, 90)

    (found,) = stubs.look(DEPLOYED, description=DESCRIPTION)

    assert found.outcome is Outcome.PROBLEM
    assert found.text == "spot: Batch has a newer machine image; the oldest in use was made 90 d ago"
    assert "`make patch ENV=dev`" in found.fix


@pytest.mark.parametrize(
    ("configuration", "outcome", "words"),
    [
        ({"batchImageStatus": "LATEST"}, Outcome.OK, "the newest machine image of Batch; no machine is running"),
        ({}, Outcome.UNKNOWN, "before the first machine has started; no machine is running"),
    ],
)
def test_the_image_status_of_batch_is_shown(configuration: dict[str, str], outcome: Outcome, words: str) -> None:
    (found,) = runs(pools(Stubs(), **configuration)).look(DEPLOYED, description=DESCRIPTION)
    assert (found.outcome, words in found.text) == (outcome, True), found


def test_machines_are_not_checked_in_the_sandbox() -> None:
    stubs = pools(Stubs(), batchImageStatus="LATEST")
    (found,) = stubs.look(DEPLOYED, description=DESCRIPTION, sandbox=True)
    assert (found.outcome, found.text) == (Outcome.OK, "spot: the newest machine image of Batch")


@pytest.mark.parametrize(
    ("image", "outcome", "words"),
    [
        ({"CreationDate": day(40)}, Outcome.OK, "of your own, made 40 d ago; Batch does not patch it"),
        (
            {"CreationDate": day(800), "DeprecationTime": day(70)},
            Outcome.PROBLEM,
            "made 800 d ago, is deprecated since",
        ),
        ({"CreationDate": day(1), "DeprecationTime": day(-700)}, Outcome.OK, "made 1 d ago"),
        ({"State": "deregistered"}, Outcome.PROBLEM, "no longer exists"),
        (None, Outcome.PROBLEM, "no longer exists"),
    ],
    ids=["fine", "deprecated", "to be deprecated", "deregistered", "hidden"],
)
def test_a_custom_image_is_checked(image: dict[str, Any] | None, outcome: Outcome, words: str) -> None:
    stubs = pools(Stubs(), imageIdOverride="ami-01234567")
    images = [{"ImageId": "ami-01234567", **image}] if image is not None else []
    stubs.answer("ec2", "describe_images", {"Images": images}, ImageIds=["ami-01234567"], IncludeDeprecated=True)

    (found,) = stubs.look(DEPLOYED, description=DESCRIPTION)

    assert (found.outcome, words in found.text) == (outcome, True), found
    assert ("compute.spot.ami" in found.fix) == (outcome is Outcome.PROBLEM)


def test_an_image_unknown_to_ec2_is_reported_as_missing() -> None:
    stubs = pools(Stubs(), imageIdOverride="ami-01234567").fail("ec2", "describe_images", "InvalidAMIID.NotFound")
    (found,) = stubs.look(DEPLOYED, description=DESCRIPTION)
    assert (found.outcome, "no machine starts" in found.text) == (Outcome.PROBLEM, True)


def test_a_denied_look_up_is_not_reported_as_missing() -> None:
    stubs = pools(Stubs(), imageIdOverride="ami-01234567").fail("ec2", "describe_images", "UnauthorizedOperation")
    (found,) = stubs.look(DEPLOYED, description=DESCRIPTION)
    assert found.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("status", "outcome", "words"),
    [
        ("INVALID", Outcome.PROBLEM, "is INVALID: CLIENT_ERROR - Invalid IamInstanceProfile"),
        ("UPDATING", Outcome.OK, "machines are being replaced"),
    ],
)
def test_the_status_of_the_machines_is_shown(status: str, outcome: Outcome, words: str) -> None:
    reason = "CLIENT_ERROR - Invalid IamInstanceProfile"
    stubs = runs(pools(Stubs(), status, reason, batchImageStatus="LATEST"))
    found, _ = stubs.look(DEPLOYED, description=DESCRIPTION)
    assert (found.outcome, words in found.text) == (outcome, True), found


@pytest.mark.parametrize("own", [True, False])
def test_a_missing_image_is_named_before_a_deploy(tmp_path: Path, own: bool) -> None:
    file = tmp_path / "lab1.toml"
    file.write_text(BASE.replace('kind = "spot"', 'kind = "spot"\nami = "ami-01234567"') if own else BASE)
    stubs = Stubs()
    if own:
        stubs.fail("ec2", "describe_images", "InvalidAMIID.NotFound")

    (found,) = stubs.look(BEFORE_DEPLOY, settings=load(file))

    assert found.outcome is (Outcome.PROBLEM if own else Outcome.OK)
