"""Checks that run before a deploy changes anything."""

from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from dropbatch.before_deploy import faults, main

ARGUMENTS = ["--region", "eu-central-1", "--repository", "dropbatch-dev"]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Prepared answers of one AWS service."""
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


def an_engine_that_says(folder: Path, name: str, says: str) -> Path:
    """A folder with a program that always prints the same text."""
    folder.mkdir()
    (folder / "answer").write_text(says)
    (folder / name).write_text(f"#!/bin/sh\ncat {folder}/answer\n")
    (folder / name).chmod(0o755)
    return folder


def found(tags: list[str], bucket: str | None = None, architecture: str = "amd64", **env: str) -> list[str]:
    wanted = dict.fromkeys(tags, architecture)
    return faults(region="eu-central-1", repository="dropbatch-dev", tags=wanted, input_bucket=bucket, env=env)


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
            "error: image align-01: an image has to be built, and neither docker nor podman is on PATH: install one, "
            "or name a ready image in the environment file (pipeline.<name>.image)",
            "error: nothing was changed",
        ]

    @pytest.mark.usefixtures("no_engine")
    def test_existing_images_need_no_engine(self, aws: Any) -> None:
        aws["ecr"].add_response("describe_images", {"imageDetails": [{}]})
        assert found(["align-01"]) == []

    @pytest.mark.usefixtures("an_engine", "aws")
    def test_a_working_engine_is_no_problem(self) -> None:
        assert found(["align-01"]) == []

    @pytest.mark.parametrize(
        ("engine", "can"),
        [
            (("docker", "Platforms: linux/amd64*, linux/amd64/v2, linux/arm64, linux/386"), True),
            (("docker", "Platforms: linux/amd64, linux/amd64/v2, linux/386"), False),
            (("docker", "Driver: docker"), True),  # says nothing: it is tried
            (("podman", '{"host": {"arch": "amd64", "emulatedArchitectures": ["linux/arm", "linux/arm64"]}}'), True),
            (("podman", '{"host": {"arch": "amd64"}}'), False),
            (("podman", '{"host": {"arch": "arm64"}}'), True),  # Podman's own virtual machine
        ],
    )
    def test_the_engine_must_build_for_the_architecture(
        self, aws: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: tuple[str, str], can: bool
    ) -> None:
        # Given an amd64 machine whose kernel has no emulators, and what the engine says it can do
        name, says = engine
        monkeypatch.setattr("dropbatch.images.platform.machine", lambda: "x86_64")
        monkeypatch.setattr("dropbatch.images._BINFMT", tmp_path / "none")
        monkeypatch.setenv("PATH", f"{an_engine_that_says(tmp_path / 'bin', name, says)}:/bin")
        if not can:
            aws["ecr"].add_response("describe_images", {"imageDetails": [{}]})
            aws["ecr"].add_client_error("describe_images", "ImageNotFoundException")

        faults_found = found(["there-01", "align-02"], architecture="arm64")

        if can:
            assert faults_found == []
        else:
            (fault,) = faults_found
            assert fault.startswith(f"image align-02: an image for arm64 has to be built, and {name} on this x86_64")
            assert fault.endswith("--install arm64`, or deploy from an arm64 machine")

    @pytest.mark.usefixtures("aws")
    def test_an_image_built_elsewhere_needs_no_emulator(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("dropbatch.images.platform.machine", lambda: "x86_64")
        monkeypatch.setenv("PATH", f"{an_engine_that_says(tmp_path / 'bin', 'docker', 'Platforms: linux/amd64')}:/bin")
        (tmp_path / "align-02.tar").touch()
        assert found(["align-02"], architecture="arm64", DROPBATCH_IMAGES=str(tmp_path)) == []

    def test_the_command_takes_an_architecture(
        self, aws: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr("dropbatch.images.platform.machine", lambda: "x86_64")
        monkeypatch.setenv("PATH", f"{an_engine_that_says(tmp_path / 'bin', 'docker', 'Platforms: linux/amd64')}:/bin")
        aws["ecr"].add_client_error("describe_images", "ImageNotFoundException")
        assert main([*ARGUMENTS, "--tag", "align-02@arm64", "--tag", "fold-01"], {}) == 1
        assert "error: image align-02: an image for arm64" in capsys.readouterr().err

    @pytest.mark.usefixtures("no_engine", "aws")
    def test_the_sandbox_builds_nothing(self) -> None:
        assert found(["align-01"], DROPBATCH_SANDBOX_DIR="somewhere") == []


class TestInputBucket:
    def test_a_bucket_with_versions_and_events_is_accepted(self, aws: Any) -> None:
        aws["s3"].add_response("get_bucket_versioning", {"Status": "Enabled"})
        aws["s3"].add_response("get_bucket_notification_configuration", {"EventBridgeConfiguration": {}})
        assert found([], "labdata") == []

    def test_any_other_bucket_is_refused_with_the_fix(self, aws: Any) -> None:
        aws["s3"].add_response("get_bucket_versioning", {})
        aws["s3"].add_response("get_bucket_notification_configuration", {})
        assert found([], "labdata") == [
            "storage.input_bucket: labdata has no versioning, which runs are identified by: enable versioning",
            "storage.input_bucket: labdata does not send its events to EventBridge: enable that in the bucket's "
            "properties",
        ]

    def test_a_missing_bucket_is_one_line(self, aws: Any) -> None:
        aws["s3"].add_client_error("get_bucket_versioning", "NoSuchBucket", "it does not exist")
        (fault,) = found([], "labdata")
        assert fault.startswith("storage.input_bucket: labdata cannot be read: ")
        assert fault.endswith(": name a bucket of this account")
