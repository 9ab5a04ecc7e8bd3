"""Submissions in the format of the older platform."""

from typing import Any

import pytest

from dropbatch.contract.deployment import Deployment
from lambdas.arrival.requests.faults import FaultsError
from lambdas.arrival.requests.submission import Submission, read_submission
from tests.lambdas.conftest import DEPLOYMENT, INPUT

ONE = DEPLOYMENT._replace(
    pipelines={"wordcount": DEPLOYMENT.pipelines["wordcount"]},
    instance_types={"m5.large": (2, 7536, 0), "m5.24xlarge": (96, 361758, 0), "p3.2xlarge": (8, 57478, 1)},
)


def read(body: dict[str, Any], deployment: Deployment = ONE) -> Submission:
    return read_submission(
        body, group="lab", key="lab/submissions/job1/submit.json", bucket=INPUT, deployment=deployment
    )


def faults(body: dict[str, Any], deployment: Deployment = ONE) -> dict[str, str]:
    with pytest.raises(FaultsError) as caught:
        read(body, deployment)
    return {fault.place: fault.text for fault in caught.value.faults}


def test_a_file_of_the_older_platform_is_accepted() -> None:
    found = read(
        {
            "dataname": ["lab/inputs/a.zip", "lab/inputs/b.zip"],
            "configname": "lab/configs/config.yaml",
            "timestamp": "2021_03_04_050607",
            "resultpath": "lab/results/mine",
            "instance_type": "m5.large",
        }
    )

    assert found.pipeline == "wordcount"
    assert [named.key for named in found.inputs] == ["lab/inputs/a.zip", "lab/inputs/b.zip"]
    assert found.config is not None
    assert found.config.key == "lab/configs/config.yaml"
    assert found.name == "2021_03_04_050607"
    assert found.results == "mine/"
    assert (found.overrides.vcpus, found.overrides.memory_mib) == (2, 7536)


def test_a_single_name_and_a_number_are_accepted() -> None:
    found = read({"dataname": "lab/inputs/a.zip", "timestamp": 1614834367})

    assert [named.key for named in found.inputs] == ["lab/inputs/a.zip"]
    assert found.name == "1614834367"


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("results", "results/"),
        ("lab/results/job1/", "job1/"),
        ("/lab/wordcount/x/y", "x/y/"),
        ("mine/of today", "mine/of today/"),
        ("/", ""),
        ("lab", ""),
    ],
)
def test_results_go_to_a_folder_below_the_pipeline(path: str, folder: str) -> None:
    assert read({"dataname": "lab/inputs/a.zip", "resultpath": path}).results == folder


@pytest.mark.parametrize(
    ("body", "place", "text"),
    [
        (
            {"instance_type": "m5.huge"},
            "instance_type",
            "is not a known instance type, got 'm5.huge': name an EC2 instance type",
        ),
        ({"instance_type": 3}, "instance_type", "is not a known instance type, got '3'"),
        ({"instance_type": "p3.2xlarge"}, "instance_type", "must be a type without GPUs, got 'p3.2xlarge'"),
        (
            {"instance_type": "m5.24xlarge"},
            "instance_type.memory_mib",
            "must be from 64 to 8192 (the maximum of pipeline",
        ),
        ({"inputs": "lab/inputs/b"}, "dataname", "means the same as inputs, which is given too: keep one"),
        ({"resultpath": "s3://bucket/x"}, "resultpath", "must be a folder of the output bucket"),
        ({"resultpath": "a/../../neuro"}, "resultpath", "must be a plain folder"),
        ({"resultpath": "_dropbatch/manifests"}, "resultpath", "must be a plain folder"),
        ({"dataname": ["neuro/inputs/a"]}, "dataname[0]", "belongs to group 'neuro'"),
        ({"configname": "lab/configs/"}, "configname", "must be one file"),
        ({"timestamp": [1] * 100}, "timestamp", "must have at most 100 characters"),
    ],
)
def test_unsupported_settings_are_refused_with_a_reason(body: dict[str, Any], place: str, text: str) -> None:
    found = faults({"dataname": "lab/inputs/a", **body})

    assert found[place].startswith(text), found


def test_several_pipelines_require_a_named_one() -> None:
    assert faults({"dataname": "lab/inputs/a"}, DEPLOYMENT)["pipeline"].startswith(
        "is required, since there are several pipelines"
    )


def test_a_machine_that_the_pool_does_not_have_is_refused() -> None:
    pools = {name: pool._replace(machines=((2, 3767),)) for name, pool in ONE.pools.items()}

    found = faults({"dataname": "lab/inputs/a", "instance_type": "m5.large"}, ONE._replace(pools=pools))

    assert found["instance_type.memory_mib"].startswith(
        "fits no machine of pool 'spot': the largest has 2 vCPUs and 3767"
    )


def test_allowed_shared_buckets_may_be_named() -> None:
    pipeline = DEPLOYMENT.pipelines["wordcount"]._replace(read_buckets=("genomes/hg38/", "open"))
    deployment = ONE._replace(pipelines={"wordcount": pipeline})

    found = read({"inputs": ["s3://genomes/hg38/chr1.fa", "s3://open/x/", "s3://open/**/*.gz"]}, deployment)
    refused = faults({"inputs": ["s3://genomes/hg19/chr1.fa", "s3://open/", "s3://other/x"]}, deployment)

    assert [(named.bucket, named.key) for named in found.inputs] == [
        ("genomes", "hg38/chr1.fa"),
        ("open", "x/"),
        ("open", "**/*.gz"),
    ]
    assert refused["inputs[0]"].endswith("allowed are genomes/hg38/, open")
    assert refused["inputs[1]"].startswith("names a whole bucket")
    assert refused["inputs[2]"].startswith("is in a bucket that the pipeline may not read")
