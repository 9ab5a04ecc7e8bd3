import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from dropbatch.sandbox import Sandbox
from tests.sandbox.batch_world import World

Client = Callable[..., Any]
Deployer = Callable[..., Any]


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.scheduler.stop()


def sandbox_in(directory: Path) -> Sandbox:
    (directory / "environments").mkdir()
    (directory / "environments" / "sandbox.toml").write_text('[environment]\nregion = "eu-central-1"\n')
    return Sandbox.at(directory)


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A running sandbox, shared by all tests that use only their own resources in it."""
    made = sandbox_in(tmp_path_factory.mktemp("checkout"))
    made.up()
    yield made
    made.destroy_state()


@pytest.fixture(scope="session")
def aws(sandbox: Sandbox) -> Client:
    return client_of(sandbox)


def client_of(sandbox: Sandbox) -> Client:
    """Makes boto3 clients of a sandbox, as its owner or with other credentials."""
    environ = sandbox.environ()

    def client(service: str, credentials: dict[str, str] | None = None) -> Any:
        chosen = credentials or {
            "AccessKeyId": environ["AWS_ACCESS_KEY_ID"],
            "SecretAccessKey": environ["AWS_SECRET_ACCESS_KEY"],
        }
        make: Any = boto3.client  # its stubs want the service as a literal
        return make(
            service,
            endpoint_url=environ["AWS_ENDPOINT_URL"],
            region_name=environ["AWS_REGION"],
            aws_access_key_id=chosen["AccessKeyId"],
            aws_secret_access_key=chosen["SecretAccessKey"],
            aws_session_token=chosen.get("SessionToken"),
            config=Config(retries={"total_max_attempts": 1}, proxies={}),
        )

    return client


@pytest.fixture
def deployer(aws: Client, name: str) -> Deployer:
    """Return a function that makes clients of a user, named by the fixture `name`, with the given rights only."""
    iam = aws("iam")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]

    def client(service: str, *statements: dict[str, Any]) -> Any:
        allowed = [{"Effect": "Allow", **each} for each in statements]
        document = json.dumps({"Version": "2012-10-17", "Statement": allowed})
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
        return aws(service, {"AccessKeyId": key["AccessKeyId"], "SecretAccessKey": key["SecretAccessKey"]})

    return client


@pytest.fixture(autouse=True)
def _no_aws_settings_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in os.environ if each.startswith("AWS_") and each != "AWS_CA_BUNDLE"]:
        monkeypatch.delenv(name)
