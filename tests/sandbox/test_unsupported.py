"""Calls that the sandbox does not support, in each of AWS's protocols."""

import inspect
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dropbatch.sandbox import emulator
from tests.sandbox.conftest import Client


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "call"),
    [
        ("service-quotas", "list_services", {}, "servicequotas ListServices"),
        ("ce", "list_cost_allocation_tags", {}, "ce ListCostAllocationTags"),
        ("accessanalyzer", "list_analyzers", {}, "access-analyzer GET /analyzer"),
        ("redshift", "describe_clusters", {}, "redshift POST /"),
        ("ec2", "describe_spot_price_history", {}, "ec2 DescribeSpotPriceHistory"),
        ("sns", "list_origination_numbers", {}, "sns ListOriginationNumbers"),
        ("cloudwatch", "list_metric_streams", {}, "monitoring ListMetricStreams"),
        ("sqs", "list_message_move_tasks", {"SourceArn": "a"}, "sqs ListMessageMoveTasks"),
        (
            "ecr",
            "describe_image_scan_findings",
            {"repositoryName": "rr", "imageId": {}},
            "ecr DescribeImageScanFindings",
        ),
    ],
)
def test_an_unsupported_call_is_named(
    aws: Client, service: str, operation: str, arguments: dict[str, Any], call: str
) -> None:
    client = aws(service)

    with pytest.raises(ClientError) as caught:
        getattr(client, operation)(**arguments)

    assert caught.value.response["Error"]["Message"] == f"not supported in the sandbox: {call}"
    assert caught.value.response["Error"]["Code"] in {"UnsupportedOperation", "InvalidAction"}


def test_another_error_passes_unchanged(aws: Client) -> None:
    with pytest.raises(ClientError, match="does not exist") as caught:
        aws("ecr").describe_images(repositoryName="none-of-this-name")

    assert caught.value.response["Error"]["Code"] == "RepositoryNotFoundException"


@pytest.mark.gap("unknown_services")
def test_gap_plain_ministack_reads_the_models_of_all_services_for_an_unknown_one() -> None:
    assert "get_service_model" in inspect.getsource(emulator.module("core.router")._is_aws_service_name)
