"""Clients of the functions: they are created only if boto3 knows the parameters that are sent."""

from typing import Any

import boto3
import pytest
from botocore.loaders import Loader

from lambdas.common import wiring
from tests.project import ROOT

PARAMETERS = [
    (service, operation, parameter)
    for service, operations in wiring.NEEDED.items()
    for operation, parameters in operations.items()
    for parameter in parameters
]


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the models that it has read


@pytest.mark.parametrize("service", ["dynamodb", "s3", "batch", "sqs", "events", "sns"])
def test_the_installed_boto3_has_all_parameters(service: str) -> None:
    assert wiring.client(service).meta.service_model.service_name == service


@pytest.mark.parametrize(("service", "operation", "parameter"), PARAMETERS)
def test_an_older_boto3_is_named(monkeypatch: pytest.MonkeyPatch, service: str, operation: str, parameter: str) -> None:
    """Use a service description of an older boto3, without this parameter."""
    read = Loader.load_service_model

    def older(self: Loader, service_name: str, type_name: str, api_version: str | None = None) -> Any:
        found = read(self, service_name, type_name, api_version)
        if (service_name, type_name) != (service, "service-2"):
            return found
        name = found["operations"][operation]["input"]["shape"]
        shape = found["shapes"][name]
        kept = {**shape, "members": {key: value for key, value in shape["members"].items() if key != parameter}}
        return {**found, "shapes": {**found["shapes"], name: kept}}

    monkeypatch.setattr(Loader, "load_service_model", older)
    with pytest.raises(RuntimeError, match=rf"{service} {operation}: parameter {parameter} needs botocore 1\.\d+\.\d"):
        wiring.client(service)


def test_every_listed_parameter_is_still_sent() -> None:
    sources = [path for path in (ROOT / "lambdas").rglob("*.py") if path.name != "wiring.py"]
    text = "".join(path.read_text() for path in sources)
    assert [parameter for _, _, parameter in PARAMETERS if parameter not in text] == []
