"""The example's image, as far as it can be checked without building it."""

import os
import re
from importlib.metadata import requires
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "image" / "wordcount"
DOCKERFILE = (FOLDER / "Dockerfile").read_text("utf-8")


def pins(path: Path) -> dict[str, str]:
    lines = (line for line in path.read_text("utf-8").splitlines() if re.match(r"[a-z]", line))
    return {name: version for name, _, version in (line.split(" ;")[0].strip().partition("==") for line in lines)}


def test_the_base_is_pinned_and_can_be_replaced():
    assert re.search(r"^ARG BASE=\S+:\d+\.\d+\.\d+-\S+$", DOCKERFILE, re.MULTILINE)
    assert re.search(r"^FROM \$\{BASE\}$", DOCKERFILE, re.MULTILINE)


def test_the_program_does_not_run_as_root():
    user = re.findall(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)

    assert len(user) == 1
    assert int(user[0][0]) > 0


def test_only_parts_of_the_build_context_are_copied():
    sources = re.findall(r"^COPY (\S+) ", DOCKERFILE, re.MULTILINE)

    assert sources
    assert all(source.startswith(("opt/pipeline", "opt/dropbatch")) for source in sources)


def test_the_image_has_the_tested_versions():
    inside, project = pins(FOLDER / "requirements.txt"), pins(ROOT / "requirements.txt")

    assert {"boto3", "botocore", "s3transfer"} <= set(inside)
    assert inside == {name: project[name] for name in inside}


def test_the_runtime_in_other_images_has_the_same_versions():
    assert pins(ROOT / "dropbatch/base/requirements.txt") == pins(FOLDER / "requirements.txt")


def test_the_checksum_library_has_the_version_that_boto3_requires():
    wanted = next(each for each in requires("botocore") or () if each.startswith("awscrt"))

    assert pins(ROOT / "dropbatch/base/checksums.txt") == pins(FOLDER / "checksums.txt")
    assert re.findall(r"==([\d.]+)", wanted) == [pins(FOLDER / "checksums.txt")["awscrt"]]


def test_the_program_is_executable():
    assert os.access(FOLDER / "wordcount", os.X_OK)
