"""Checks of a deployed environment, against answers in AWS's own shapes."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from dropbatch.cli.doctor import Outcome, operation
from dropbatch.cli.doctor.images import image_finding
from dropbatch.contract import ledger
from tests.cli.doctor.stubs import DESCRIPTION, SPOT, Stubs

CHECKS = {check.name: check for check in operation.CHECKS}
TOPIC = "arn:aws:sns:eu-central-1:123456789012:dropbatch-dev-"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/dropbatch-dev:wordcount-0a1e"
OCI = "application/vnd.oci.image.manifest.v1+json"


def subscription(topic: str, address: str, arn: str) -> dict[str, Any]:
    owner = {"Owner": "123456789012", "Protocol": "email"}
    return {"Subscriptions": [{**owner, "SubscriptionArn": arn, "Endpoint": address, "TopicArn": TOPIC + topic}]}


def test_subscriptions_are_confirmed_pending_or_missing():
    stubs = Stubs()
    people = subscription("people", "me@x.org", TOPIC + "people:1")
    people["Subscriptions"] += subscription("people", "you@x.org", "PendingConfirmation")["Subscriptions"]
    stubs.answer("sns", "list_subscriptions_by_topic", people, TopicArn=TOPIC + "people")
    stubs.answer("sns", "list_subscriptions_by_topic", {"Subscriptions": []}, TopicArn=TOPIC + "budget")

    found = stubs.look(CHECKS["mail"], description=DESCRIPTION)

    assert [each.outcome for each in found] == [Outcome.PROBLEM, Outcome.OK, Outcome.PROBLEM]
    assert "not confirmed by you@x.org" in found[0].text
    assert "no recipient" in found[2].text


def test_a_pause_is_shown_with_its_reason():
    flag = {"id": "flag#paused", "since": "2026-01-02T03:04:05.000Z", "by": "budget", "reason": "spent", "stop": False}
    stubs = Stubs().answer("dynamodb", "get_item", {"Item": ledger.to_item(flag)})

    (found,) = stubs.look(CHECKS["pause"], description=DESCRIPTION)

    assert (found.outcome, found.text) == (
        Outcome.PROBLEM,
        "paused since 2026-01-02T03:04:05.000Z by budget: spent",
    )
    assert "dropbatch resume" in found.fix


def test_dead_letters_are_counted():
    stubs = Stubs()
    for count in ("3", "0"):
        stubs.answer("sqs", "get_queue_url", {"QueueUrl": "https://queue"})
        stubs.answer("sqs", "get_queue_attributes", {"Attributes": {"ApproximateNumberOfMessages": count}})

    found = stubs.look(CHECKS["dead letters"], description=DESCRIPTION)

    assert [each.outcome for each in found] == [Outcome.PROBLEM, Outcome.OK]
    assert found[0].text == "3 of arrivals"
    assert "dropbatch retry --dead-letters" in found[0].fix


def test_the_lock_of_a_deployment_is_never_reported_as_free():
    (found,) = Stubs().look(CHECKS["state lock"], description=DESCRIPTION)

    assert found.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("manifest", "outcome", "words"),
    [
        ({"manifests": [{"platform": {"architecture": "amd64"}}, {"platform": {"architecture": "unknown"}}]}, "ok", ""),
        ({"manifests": [{"platform": {"architecture": "arm64"}}]}, "problem", "is for arm64, the machines are amd64"),
        ({"config": {"digest": "sha256:" + "0" * 64}}, "ok", "amd64"),
        (None, "problem", "does not exist"),
    ],
)
def test_an_image_is_checked_for_the_architecture_of_its_machines(
    monkeypatch: pytest.MonkeyPatch, manifest: dict[str, Any] | None, outcome: str, words: str
):
    stubs = Stubs()
    images = [] if manifest is None else [{"imageManifest": json.dumps(manifest)}]
    stubs.answer("ecr", "batch_get_image", {"images": images})
    if manifest and "config" in manifest:
        stubs.answer("ecr", "get_download_url_for_layer", {"downloadUrl": "https://layer"})
        body = io.BytesIO(b'{"architecture": "amd64"}')
        monkeypatch.setattr("dropbatch.cli.doctor.images.urlopen", lambda *_, **__: body)

    found = image_finding(stubs.subject(), "wordcount", IMAGE, {"amd64"})

    assert found.outcome == outcome
    assert words in found.text
    assert stubs.regions["ecr"] == "eu-west-1"


def test_an_image_in_another_registry_is_not_reported_as_fine():
    assert image_finding(Stubs().subject(), "p", "docker.io/library/python:3", set()).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(("there", "outcome"), [(True, Outcome.OK), (False, Outcome.PROBLEM)])
def test_the_build_context_is_checked_in_the_sandbox(tmp_path: Path, there: bool, outcome: Outcome):
    if there:
        (tmp_path / "images" / "wordcount-0a1e").mkdir(parents=True)
    subject = Stubs().subject(sandbox=True, sandbox_directory=tmp_path)

    assert image_finding(subject, "wordcount", IMAGE, {"amd64"}).outcome is outcome


def test_an_image_in_another_private_repository_is_unknown_in_the_sandbox(tmp_path: Path):
    subject = Stubs().subject(sandbox=True, sandbox_directory=tmp_path)

    found = image_finding(subject, "wordcount", IMAGE.replace("dropbatch-dev", "lab/other"), {"amd64"})
    assert found.outcome is Outcome.UNKNOWN


def test_a_missing_image_of_another_private_repository_is_not_left_to_the_deploy():
    stubs = Stubs().answer("ecr", "batch_get_image", {"images": []})

    found = image_finding(stubs.subject(), "wordcount", IMAGE.replace("dropbatch-dev", "lab/other"), {"amd64"})
    assert found.outcome is Outcome.PROBLEM
    assert "push it" in str(found)


def test_a_pipeline_without_a_job_definition_is_reported():
    stubs = Stubs().answer("batch", "describe_job_definitions", {"jobDefinitions": []})

    (found,) = stubs.look(CHECKS["images"], description=DESCRIPTION, pools=[SPOT])

    assert found.outcome is Outcome.PROBLEM
    assert "dropbatch-dev-wordcount-lab" in found.text
