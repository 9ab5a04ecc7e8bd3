"""Faults before and after the program: stage-in, stage-out, unusual keys."""

import json
from pathlib import Path

import pytest

from dropbatch.contract import keys
from dropbatch.contract.endings import ExitCode
from tests.runtime.conftest import INPUT, OUTPUT, Cloud, rights


def test_a_denied_read_fails_the_stage_in(cloud: Cloud):
    job = cloud.job()
    without = [each for each in rights() if "s3:GetObjectVersion" not in each["Action"]]

    ended = job.sh("touch {output}/never", **cloud.credentials(without))

    assert ended.code == ExitCode.STAGE_IN
    record = job.record
    assert record is not None
    assert (record["status"], record["phase"]) == ("FAILED", "stage-in")
    uri = keys.uri(INPUT, job.spec.key)
    assert record["reason"].startswith(f"the job role dropbatch-test-wordcount-lab may not read {uri}")
    assert job.names == ["_log.txt", "_run.json"]
    assert b"may not read" in (job.get("_log.txt") or b"")


@pytest.mark.parametrize("gone", ["version", "bucket"])
def test_a_missing_input_fails_the_stage_in(cloud: Cloud, gone: str):
    job = cloud.job()
    if gone == "version":
        cloud.s3.delete_object(Bucket=INPUT, Key=job.spec.key, VersionId=job.spec.version_id)
    else:
        job = cloud.again(job, job_id="gone-bucket", bucket="no-such-bucket-here")

    ended = job.sh("true")

    assert ended.code == ExitCode.STAGE_IN
    record = job.record
    assert record is not None
    assert record["phase"] == "stage-in"
    assert record["inputs"][0]["sha256"] == ""


def test_an_input_of_another_size_is_refused(cloud: Cloud):
    job = cloud.job(b"12345", size=4)

    assert job.sh("true").code == ExitCode.STAGE_IN
    record = job.record
    assert record is not None
    assert "has 5 bytes, expected were 4" in record["reason"]


def test_an_input_larger_than_the_disk_is_refused_before_it_is_read(cloud: Cloud):
    job = cloud.job(size=2**60)

    assert job.sh("true").code == ExitCode.STAGE_IN
    record = job.record
    assert record is not None
    assert "raise root_gib" in record["reason"]


def test_a_denied_write_fails_the_stage_out(cloud: Cloud):
    job = cloud.job()
    deny = {"Effect": "Deny", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{OUTPUT}/*/result"}

    ended = job.sh("echo 1 > {output}/fine && echo 2 > {output}/result", **cloud.credentials([*rights(), deny]))

    assert ended.code == ExitCode.STAGE_OUT
    assert job.names == ["_log.txt", "_run.json"], "what was published already is withdrawn"
    record = job.record
    assert record is not None
    assert (record["status"], record["phase"], record["outputs"]) == ("FAILED", "stage-out", [])
    assert "may not write" in record["reason"]


@pytest.mark.parametrize("name", ["_run.json", "_log.txt"])
def test_a_result_with_a_reserved_name_is_refused(cloud: Cloud, name: str):
    job = cloud.job()

    ended = job.sh(f"echo forged > {{output}}/{name}")

    assert ended.code == ExitCode.STAGE_OUT
    record = job.record
    assert record is not None
    assert name in record["reason"]


def test_a_record_that_cannot_be_written_is_a_failure(cloud: Cloud):
    job = cloud.job()
    deny = {"Effect": "Deny", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{OUTPUT}/*/_run.json"}

    ended = job.sh("true", **cloud.credentials([*rights(), deny]))

    assert ended.code == ExitCode.STAGE_OUT
    assert "_run.json" in ended.err


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("a b+(1) \u00fc.txt", True),
        ("100%25.txt", True),
        ("quote'\"`$(touch x);.txt", True),
        ("\U0001f600.txt", True),
        ("tab\there", True),
        ("-rf", True),
        ("back\\slash", True),
        ("sub//double.txt", True),
        ("/lead.txt", True),
        ("../../../../up.txt", True),
        ("a/..", False),
        ("a/.", False),
        ("x" * 400 + ".txt", False),
    ],
)
def test_keys_of_all_kinds_are_staged(cloud: Cloud, name: str, kept: bool):
    job = cloud.job(b"content", name=name)

    ended = job.run("sh", "-c", 'cp "$1" {output}/copy && basename -- "$1" && dirname -- "$1"', "sh", "{input}")

    assert ended.code == 0, ended.err
    assert job.get("copy") == b"content"
    record = job.record
    assert record is not None
    path = Path(record["command"][-1])
    assert path.is_relative_to(cloud.scratch)
    assert ".." not in path.parts
    assert (path.name == name.rpartition("/")[2]) is kept
    assert len(record["warnings"]) == (0 if kept else 1)
    assert json.dumps(record)
