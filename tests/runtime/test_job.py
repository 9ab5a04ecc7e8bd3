"""`dropbatch-run` in a job: real processes, real S3 semantics, and the credentials of a job role."""

import hashlib
import io
import os
from pathlib import Path

import pytest

from dropbatch.contract import keys
from dropbatch.contract.endings import ExitCode
from dropbatch.contract.job_environment import COMMIT_FILE
from dropbatch.runtime import main
from tests.runtime.conftest import INPUT, OUTPUT, Cloud


def test_the_words_of_a_file_are_counted(cloud: Cloud):
    job = cloud.job(b"one two\ntwo\n", name="a b+(1) \u00fc.txt")

    ended = job.run("wordcount", "{input}", "{output}/counts.txt")

    assert ended.code == 0, ended.err
    counts = job.get("counts.txt")
    assert counts is not None
    assert b" 3  words\n" in counts
    assert job.get("_log.txt") == b"3 words in 2 lines\n"
    assert ended.out == "3 words in 2 lines\n"
    record = job.record
    assert record is not None
    assert record["status"] == "SUCCEEDED"
    assert record["inputs"] == [
        {
            "uri": keys.uri(INPUT, job.spec.key),
            "size": 12,
            "sha256": hashlib.sha256(b"one two\ntwo\n").hexdigest(),
            "version_id": job.spec.version_id,
        }
    ]
    assert record["outputs"] == [
        {
            "uri": keys.uri(OUTPUT, job.spec.output + "counts.txt"),
            "size": len(counts),
            "sha256": hashlib.sha256(counts).hexdigest(),
            "version_id": "",
        }
    ]
    assert record["command"][1].endswith("/a b+(1) \u00fc.txt")
    assert (record["run_id"], record["attempt"], record["exit_code"]) == (job.spec.run_id, 1, 0)
    assert (record["phase"], record["reason"], record["warnings"]) == (None, None, [])
    assert record["peak_memory_mib"] > 1
    assert record["cpu_seconds"] > 0


def test_values_of_the_environment_are_recorded(cloud: Cloud):
    job = cloud.job()

    job.sh("true", DROPBATCH_IMAGE="repo:tag", DROPBATCH_JOB_DEFINITION="def:3", DROPBATCH_GIT_COMMIT="abc")

    record = job.record
    assert record is not None
    assert (record["image"], record["job_definition"], record["git_commit"]) == ("repo:tag", "def:3", "abc")
    assert (record["job_id"], record["job_try"]) == (job.env["AWS_BATCH_JOB_ID"], 1)


def test_the_commit_of_the_image_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "dropbatch").mkdir()
    (tmp_path / "dropbatch" / COMMIT_FILE).write_text("abc-dirty\n")
    assert main._commit({}) is None

    monkeypatch.setattr(main, "__file__", str(tmp_path / "dropbatch" / "runtime" / "main.py"))

    assert main._commit({}) == "abc-dirty"
    assert main._commit({"DROPBATCH_GIT_COMMIT": "other"}) == "other"


def test_scratch_is_cleaned_even_of_locked_directories(cloud: Cloud):
    job = cloud.job()

    ended = job.sh("mkdir {scratch}/d && touch {scratch}/d/f && chmod 0 {scratch}/d && echo $TMPDIR")

    assert ended.code == 0
    assert Path(ended.out.strip()).is_relative_to(cloud.scratch)
    assert list(cloud.scratch.iterdir()) == []


def test_exactly_the_arrived_version_is_read(cloud: Cloud):
    job = cloud.job(b"first")
    cloud.s3.put_object(Bucket=INPUT, Key=job.spec.key, Body=b"later")

    job.sh("cp {input} {output}/copy")

    assert job.get("copy") == b"first"


def test_a_file_larger_than_one_part_is_read(cloud: Cloud):
    body = os.urandom(1024) * 20_000
    job = cloud.job(body, name="large.bin")

    ended = job.sh("cp {input} {output}/copy")

    assert ended.code == 0, ended.err
    record = job.record
    assert record is not None
    wanted = hashlib.sha256(body).hexdigest()
    assert record["inputs"][0]["sha256"] == record["outputs"][0]["sha256"] == wanted
    assert job.get("copy") == body


def test_a_multipart_file_is_read(cloud: Cloud):
    body = os.urandom(1024) * 10_000
    job = cloud.job(name="parts.bin")
    cloud.s3.upload_fileobj(io.BytesIO(body), INPUT, job.spec.key)
    version = cloud.s3.head_object(Bucket=INPUT, Key=job.spec.key)["VersionId"]

    again = cloud.again(job, job_id="in-parts", version_id=version, size=len(body))
    ended = again.sh("cp {input} {output}/copy")

    assert ended.code == 0, ended.err
    assert again.get("copy") == body


def test_a_multipart_file_has_the_checksum_of_its_uploader(cloud: Cloud):
    body = os.urandom(1024) * 10_000
    codes = []
    for seen in (body, body[:-1]):
        sha256 = hashlib.sha256(seen).hexdigest()
        job = cloud.job(name="seen.bin")
        cloud.s3.upload_fileobj(io.BytesIO(body), INPUT, job.spec.key, ExtraArgs={"Metadata": {"sha256": sha256}})
        version = cloud.s3.head_object(Bucket=INPUT, Key=job.spec.key)["VersionId"]
        again = cloud.again(job, job_id=f"seen-{len(seen)}", version_id=version, size=len(body))
        codes.append(again.sh("true").code)

    assert codes == [0, ExitCode.STAGE_IN]
    assert again.record is not None
    assert "another SHA-256 checksum than was uploaded" in again.record["reason"]


def test_an_empty_file_is_read(cloud: Cloud):
    job = cloud.job(b"")

    ended = job.run("wordcount", "{input}", "{output}/counts.txt")

    assert ended.code == 0, ended.err
    assert b" 0  words\n" in (job.get("counts.txt") or b"")


def test_success_without_results_is_a_warning(cloud: Cloud):
    job = cloud.job()

    ended = job.sh("echo only talk")

    assert ended.code == 0
    record = job.record
    assert record is not None
    assert record["outputs"] == []
    assert "left no file" in record["warnings"][0]
    assert "left no file" in ended.err


def test_directories_links_and_odd_names_are_published(cloud: Cloud):
    job = cloud.job()

    make = "cd {output} && mkdir -p 'a b/c' && echo 1 > 'a b/c/\u00fc+%.txt'"
    link = "ln -s ../x x && ln -s 'a b' d && ln -s 'a b/c/\u00fc+%.txt' l"
    ended = job.sh(f"{make} && {link}")

    assert ended.code == 0, ended.err
    assert job.names == ["_log.txt", "_run.json", "a b/c/\u00fc+%.txt", "l"]
    record = job.record
    assert record is not None
    assert len(record["warnings"]) == 2


@pytest.mark.parametrize(
    ("script", "code", "reason"),
    [
        ("exit 3", 3, "sh ended with exit code 3, its log says why"),
        ("kill -9 $$", 137, "sh was ended by SIGKILL: often too little memory (memory_mib)"),
        ("kill -11 $$", 139, "sh was ended by SIGSEGV"),
    ],
)
def test_a_failed_program_publishes_log_and_record_only(cloud: Cloud, script: str, code: int, reason: str):
    job = cloud.job()

    ended = job.sh(f"echo half > {{output}}/half; echo why >&2; {script}")

    assert ended.code == code
    assert job.names == ["_log.txt", "_run.json"]
    record = job.record
    assert record is not None
    assert (record["status"], record["phase"], record["reason"]) == ("FAILED", "program", reason)
    assert record["exit_code"] == code
    assert (job.get("_log.txt") or b"").startswith(b"why\n")
    assert f"dropbatch-run: program: {reason}" in ended.err


@pytest.mark.parametrize(
    ("program", "code", "reason"),
    [("no-such-program", 127, "was not found on PATH"), ("/etc/passwd", 126, "is not executable")],
)
def test_a_program_that_cannot_start_is_an_error(cloud: Cloud, program: str, code: int, reason: str):
    job = cloud.job()

    ended = job.run(program, "{input}")

    assert ended.code == code
    record = job.record
    assert record is not None
    assert record["phase"] == "program"
    assert reason in record["reason"]


def test_an_unknown_parameter_is_refused(cloud: Cloud):
    job = cloud.job(parameters={"k": "1"})

    assert job.sh("echo {param.k}").out == "1\n"
    other = cloud.job(parameters={"k": "1"})
    ended = other.sh("echo {param.n}")

    assert ended.code == ExitCode.REFUSED
    record = other.record
    assert record is not None
    assert record["phase"] == "refused"
    assert "{param.n}" in record["reason"]


def test_an_array_child_processes_the_run_at_its_index(cloud: Cloud):
    first, second = cloud.job(b"1"), cloud.job(b"2")
    env = cloud._environment("array", [first.spec, second.spec])
    second.env = env | {"AWS_BATCH_JOB_ARRAY_INDEX": "1", "AWS_BATCH_JOB_ID": "array:1"}

    ended = second.sh("cp {input} {output}/copy")

    assert ended.code == 0, ended.err
    assert second.get("copy") == b"2"
    assert first.names == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"not json", "not a manifest"),
        (b'{"version": 9, "job_name": "x", "runs": []}', "version 9"),
        (b'{"version": 1, "job_name": "x", "runs": []}', "has 0 runs"),
    ],
)
def test_an_invalid_manifest_is_an_error(cloud: Cloud, body: bytes, words: str):
    job = cloud.job()
    cloud.s3.put_object(Bucket=OUTPUT, Key=keys.split_uri(job.env["DROPBATCH_MANIFEST"])[1], Body=body)

    ended = job.sh("true")

    assert ended.code == ExitCode.REFUSED
    assert words in ended.err
    assert len(ended.err.splitlines()) == 1


def test_a_missing_manifest_is_an_error(cloud: Cloud):
    job = cloud.job()

    ended = job.sh("true", DROPBATCH_MANIFEST=keys.uri(OUTPUT, "_dropbatch/manifests/lab/wordcount/none.json"))

    assert ended.code == ExitCode.STAGE_IN
    assert len(ended.err.splitlines()) == 1
