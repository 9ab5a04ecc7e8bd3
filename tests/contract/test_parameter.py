import json

import pytest

from dropbatch.contract.parameter import MAX_BYTES, DeploymentParameter, ParameterVersionError, PipelineNeeds
from dropbatch.settings import load
from dropbatch.settings.parameter import described, size_bytes
from tests.project import SHIPPED

DEV = load(SHIPPED / "environments/dev.toml")
PARAMETER = DeploymentParameter(
    environment="dev",
    region="eu-central-1",
    input_bucket="in",
    output_bucket="out",
    ledger_table="ledger",
    log_group="logs",
    groups=("lab", "neuro"),
    needs={"wordcount": PipelineNeeds(vcpus=1, memory_mib=512, timeout_minutes=60, tries=3)},
    folders={"byfolder": "_DONE"},
    pools={"spot": "dropbatch-dev-spot"},
    prices={"spot": (0.04, 0.005)},
)


def test_the_parameter_is_restored_from_json() -> None:
    assert DeploymentParameter.from_json(PARAMETER.to_json()) == PARAMETER
    assert PARAMETER.pipelines == ("wordcount",)


def test_fields_of_a_later_version_are_ignored() -> None:
    body = json.loads(PARAMETER.to_json()) | {"new": 1}

    assert DeploymentParameter.from_json(json.dumps(body)) == PARAMETER


def test_another_format_is_refused() -> None:
    with pytest.raises(ParameterVersionError, match="format 2, this one reads 1"):
        DeploymentParameter.from_json('{"version": 2}')


def test_the_estimated_size_is_at_least_that_of_the_parameter() -> None:
    real = DeploymentParameter(
        environment=DEV.name,
        region=DEV.environment.region,
        input_bucket="dropbatch-dev-input-20260101000000000000000001",
        output_bucket="dropbatch-dev-output-20260101000000000000000001",
        ledger_table="dropbatch-dev-ledger",
        log_group="/dropbatch/dev/jobs",
        arrival_queue_url="https://sqs.eu-central-1.amazonaws.com/123456789012/dropbatch-dev-arrivals",
        operators_topic_arn="arn:aws:sns:eu-central-1:123456789012:dropbatch-dev-operators",
        pools={name: DEV.resource_name(name) for name in DEV.compute},
        **described(DEV),
    )

    assert len(real.to_json().encode()) <= size_bytes(DEV) < MAX_BYTES
