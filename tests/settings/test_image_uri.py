"""The registry in an image's URI, and whether a role needs a right to pull the image."""

from pathlib import Path

import pytest

from dropbatch.settings.image_uri import Repository, repository_of
from tests.settings.environment_file import GOOD, faults, read

DIGEST = f"sha256:{'0123456789abcdef' * 4}"
OTHERS = [
    "quay.io/lab/count:1",
    "docker.io/library/busybox:1.37",
    "busybox:1.37",
    "localhost:5000/count:1",
    "public.ecr.aws/lab/count:1",
    f"ghcr.io/lab/a__b/count-x.y:1@{DIGEST}",
]


@pytest.mark.parametrize(
    ("uri", "arn"),
    [
        (
            "123456789012.dkr.ecr.eu-central-1.amazonaws.com/other:tag",
            "arn:aws:ecr:eu-central-1:123456789012:repository/other",
        ),
        (
            f"123456789012.dkr.ecr.us-gov-west-1.amazonaws.com/lab/count@{DIGEST}",
            "arn:aws-us-gov:ecr:us-gov-west-1:123456789012:repository/lab/count",
        ),
        (
            "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/lab/count:1",
            "arn:aws-cn:ecr:cn-north-1:123456789012:repository/lab/count",
        ),
        (
            "123456789012.dkr-ecr.eu-west-1.on.aws/lab/count:1",
            "arn:aws:ecr:eu-west-1:123456789012:repository/lab/count",
        ),
    ],
)
def test_a_private_repository_is_recognised_by_its_arn(uri: str, arn: str) -> None:
    repository = repository_of(uri)

    assert isinstance(repository, Repository)
    assert repository.arn == arn


@pytest.mark.parametrize("uri", [*OTHERS, "image/wordcount", ""])
def test_other_registries_need_no_rights(uri: str) -> None:
    assert repository_of(uri) is None


@pytest.mark.parametrize("uri", [*OTHERS, "123456789012.dkr.ecr.eu-west-1.amazonaws.com/other:tag"])
def test_valid_uris_are_accepted(tmp_path: Path, uri: str) -> None:
    settings = read(tmp_path / "lab1.toml", GOOD.replace("image/wordcount", uri))

    assert settings.pipeline["count"].image == uri


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("quay.io/Lab/count:1", "must be an image's URI, got 'quay.io/Lab/count:1': write registry/name:tag"),
        ("quay.io/lab/count:", "must be an image's URI"),
        ("quay.io/lab/count@sha256:0123", "must be an image's URI"),
        ("https://quay.io/lab/count:1", "must be an image's URI"),
        (
            "1234.dkr.ecr.eu-central-1.amazonaws.com/other:tag",
            "a private repository of Amazon ECR is written <account>.dkr.ecr.<region>.amazonaws.com/<name>:<tag>, got "
            "'1234.dkr.ecr.eu-central-1.amazonaws.com/other:tag': correct account and region",
        ),
        ("123456789012.dkr.ecr.amazonaws.com/other:tag", "a private repository of Amazon ECR is written"),
        (
            "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/other:tag",
            "must be in the partition of the environment's region, aws, got "
            "'123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/other:tag' in aws-cn: roles of one cannot be granted",
        ),
    ],
)
def test_images_that_cannot_be_pulled_are_refused(tmp_path: Path, uri: str, said: str) -> None:
    (fault,) = faults(tmp_path / "lab1.toml", GOOD.replace("image/wordcount", uri))

    assert fault.startswith(f"pipeline.count.image: {said}")


def test_a_base_may_be_in_another_partition(tmp_path: Path) -> None:
    base = 'base = "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/other:tag"'
    read(tmp_path / "lab1.toml", GOOD.replace('image = "image/wordcount"', base))

    (fault,) = faults(tmp_path / "lab1.toml", GOOD.replace('image = "image/wordcount"', 'base = "quay.io/Lab:1"'))
    assert fault.startswith("pipeline.count.base: must be an image's URI")
