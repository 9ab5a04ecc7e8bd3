"""What is looked at before a deploy changes anything."""

from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from dropbatch.before_deploy import faults, main

ARGUMENTS = ["--region", "eu-central-1", "--repository", "dropbatch-dev"]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Any:
    """AWS's answers to one service, to be said beforehand."""
    stubs: dict[str, Stubber] = {}

    def answers(service: str) -> Stubber:
        make: Any = boto3.client
        client = make(service, region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
        stubs[service] = Stubber(client)
        stubs[service].activate()
        return stubs[service]

    ready = {service: answers(service) for service in ("ecr", "s3")}
    monkeypatch.setattr(boto3, "client", lambda service, region_name: ready[service].client)
    yield ready
    for stub in stubs.values():
        stub.assert_no_pending_responses()


@pytest.fixture
def no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture
def an_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "podman"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


def found(tags: list[str], bucket: str | None = None, **env: str) -> list[str]:
    return faults(region="eu-central-1", repository="dropbatch-dev", tags=tags, input_bucket=bucket, env=env)


class TestImages:
    @pytest.mark.parametrize("error", ["ImageNotFoundException", "RepositoryNotFoundException"])
    @pytest.mark.usefixtures("no_engine")
    def test_an_image_to_be_built_needs_an_engine(
        self, aws: Any, error: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        aws["ecr"].add_client_error("describe_images", error)
        aws["ecr"].add_response("describe_images", {"imageDetails": [{}]})

        assert main([*ARGUMENTS, "--tag", "align-01", "--tag", "fold-02"], {}) == 1

        said = capsys.readouterr().err.splitlines()
        assert said == [
            "error: an image has to be built, and neither docker nor podman is on PATH: install one, or name a ready "
            "image in the environment file (pipeline.<name>.image) (to be built: align-01)",
            "error: nothing was changed",
        ]

    @pytest.mark.usefixtures("no_engine")
    def test_images_that_are_there_need_none(self, aws: Any) -> None:
        aws["ecr"].add_response("describe_images", {"imageDetails": [{}]})
        assert found(["align-01"]) == []

    @pytest.mark.usefixtures("an_engine", "aws")
    def test_with_an_engine_nothing_is_asked(self) -> None:
        assert found(["align-01"]) == []

    @pytest.mark.usefixtures("no_engine", "aws")
    def test_the_sandbox_builds_nothing(self) -> None:
        assert found(["align-01"], DROPBATCH_SANDBOX_DIR="somewhere") == []


class TestInputBucket:
    def test_one_that_keeps_versions_and_sends_events_is_taken(self, aws: Any) -> None:
        aws["s3"].add_response("get_bucket_versioning", {"Status": "Enabled"})
        aws["s3"].add_response("get_bucket_notification_configuration", {"EventBridgeConfiguration": {}})
        assert found([], "labdata") == []

    def test_any_other_is_refused_with_the_fix(self, aws: Any) -> None:
        aws["s3"].add_response("get_bucket_versioning", {})
        aws["s3"].add_response("get_bucket_notification_configuration", {})
        assert found([], "labdata") == [
            "storage.input_bucket: labdata must keep versions, which runs are told apart by, and does not: switch "
            "versioning on",
            "storage.input_bucket: labdata must send its events to EventBridge, and does not: switch that on in the "
            "bucket's properties",
        ]

    def test_one_that_is_not_there_is_one_line(self, aws: Any) -> None:
        aws["s3"].add_client_error("get_bucket_versioning", "NoSuchBucket", "it does not exist")
        (fault,) = found([], "labdata")
        assert fault.startswith("storage.input_bucket: labdata cannot be looked at: ")
        assert fault.endswith(": name a bucket of this account")
