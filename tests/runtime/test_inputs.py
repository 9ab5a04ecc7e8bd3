"""Folders, pinned objects and configs as inputs."""

from typing import Any

import pytest

from dropbatch.contract import keys
from dropbatch.contract.endings import ExitCode
from dropbatch.contract.manifest import ObjectSpec
from dropbatch.contract.options import Options
from tests.runtime.conftest import INPUT, OUTPUT, Cloud, Job

TREE = 'cd "$1" && find . -type f | LC_ALL=C sort | while read -r f; do echo "$f: $(cat "$f")"; done > {output}/tree'


def tree(job: Job) -> list[str]:
    ended = job.run("sh", "-c", TREE, "sh", "{input}")
    assert ended.code == 0, ended.err
    return (job.get("tree") or b"").decode().splitlines()


def record(job: Job) -> dict[str, Any]:
    found = job.record
    assert found is not None
    return found


def test_a_folder_is_staged_as_a_directory_tree(cloud: Cloud):
    job = cloud.folder({"b.txt": b"2", "a/c d.txt": b"1", "a/\u00fc": b"", "a/": b"", "A/c d.txt": b"other"})

    assert tree(job) == ["./A/c d.txt: other", "./a/c d.txt: 1", "./a/\u00fc: ", "./b.txt: 2"]
    inputs = record(job)["inputs"]
    assert [each["uri"].removeprefix(keys.uri(INPUT, job.spec.key)) for each in inputs] == [
        "A/c d.txt",
        "a/c d.txt",
        "a/\u00fc",
        "b.txt",
    ]
    assert all(each["version_id"] and each["sha256"] for each in inputs)
    assert record(job)["input"] == keys.uri(INPUT, job.spec.key)
    assert record(job)["command"][-1].endswith("/0/folder")


def test_a_folder_excludes_its_marker_older_versions_and_deleted_objects(cloud: Cloud):
    job = cloud.folder({"a": b"old", "gone": b"x", "_DONE": b""}, name="marked", marker="lab/wordcount/marked/_DONE")
    cloud.s3.put_object(Bucket=INPUT, Key="lab/wordcount/marked/a", Body=b"new")
    cloud.s3.delete_object(Bucket=INPUT, Key="lab/wordcount/marked/gone")

    assert tree(job) == ["./a: new"]


def test_pinned_objects_are_read_without_listing(cloud: Cloud):
    job = cloud.folder({"a": b"first", "b": b"not asked for"}, name="pinned")
    a = cloud.s3.head_object(Bucket=INPUT, Key="lab/wordcount/pinned/a")["VersionId"]
    cloud.s3.put_object(Bucket=INPUT, Key="lab/wordcount/pinned/a", Body=b"second")
    elsewhere = cloud.s3.put_object(Bucket=INPUT, Key="lab/inputs/a", Body=b"elsewhere")["VersionId"]
    objects = (
        ObjectSpec(bucket=INPUT, key="lab/wordcount/pinned/a", version_id=a, size=5),
        ObjectSpec(bucket=INPUT, key="lab/inputs/a", version_id=elsewhere, size=9),
    )

    assert tree(cloud.again(job, job_id="pinned", objects=objects)) == ["./00001/a: elsewhere", "./a: first"]


def test_an_empty_folder_is_a_warning(cloud: Cloud):
    job = cloud.folder({}, name="nothing")

    assert tree(job) == []
    assert "is empty" in record(job)["warnings"][0]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["../up"], "'..' is not a valid name"),
        (["a/../../up"], "'..' is not a valid name"),
        (["a//b"], "'' is not a valid name"),
        (["/lead"], "'' is not a valid name"),
        (["./a"], "'.' is not a valid name"),
        (["x" * 256], "is not a valid name"),
        (["a", "a/b"], "named like its directory"),
    ],
)
def test_names_that_the_file_system_cannot_hold_are_refused(cloud: Cloud, files: list[str], words: str):
    folder = f"odd{abs(hash(tuple(files)))}"
    job = cloud.folder(dict.fromkeys(files, b"x"), name=folder)

    ended = job.sh("true")

    assert ended.code == ExitCode.STAGE_IN
    assert words in record(job)["reason"]
    assert repr(f"lab/wordcount/{folder}/{files[-1]}") in record(job)["reason"]
    assert list(cloud.scratch.parent.rglob("up")) == []


def test_control_characters_and_unicode_are_valid_in_names(cloud: Cloud):
    names = ["new\nline", "tab\t", "bell\x07", "e\u0301", "\u00e9", "\U0001f600", "back\\slash", "*", "-rf", " "]
    job = cloud.folder(dict.fromkeys(names, b"x"), name="control")

    ended = job.sh("cd {input} && cp -- * {output}/")

    assert ended.code == 0, ended.err
    assert sorted(name for name in job.names if not name.startswith("_")) == sorted(names)


def test_a_folder_that_cannot_be_listed_is_an_error(cloud: Cloud):
    job = cloud.folder({"a": b"1"}, name="closed")

    ended = cloud.again(job, job_id="closed", bucket=INPUT, key="other/wordcount/x/").sh("true")

    assert ended.code == ExitCode.STAGE_IN
    assert "may not list" in ended.err


# --- config --------------------------------------------------------------------------------------------------------


def with_config(cloud: Cloud, body: bytes, *, pinned: bool = True, **changes: Any) -> Job:
    version = cloud.s3.put_object(Bucket=INPUT, Key="lab/configs/c.toml", Body=body)["VersionId"]
    config = ObjectSpec(
        bucket=INPUT, key="lab/configs/c.toml", version_id=version if pinned else "", size=len(body) if pinned else 0
    )
    return cloud.job(config=config, **changes)


@pytest.mark.parametrize("pinned", [True, False])
def test_a_config_is_staged_as_a_file(cloud: Cloud, pinned: bool):
    job = with_config(cloud, b"k = 1\n", pinned=pinned)

    ended = job.run("sh", "-c", 'cat "$1"; basename "$1"', "sh", "{config}")

    assert ended.out == "k = 1\nc.toml\n", ended.err
    assert record(job)["config"]["size"] == 6
    assert record(job)["config"]["version_id"]
    assert len(record(job)["inputs"]) == 1


def test_a_missing_config_is_refused_in_terms_of_the_pipeline(cloud: Cloud):
    options = Options(requires_config="say which adapters to trim: see the page of this lab").to_json()
    without, given = cloud.job(), with_config(cloud, b"x")

    ended = without.sh("touch {output}/never", DROPBATCH_OPTIONS=options)

    assert ended.code == ExitCode.REFUSED
    assert record(without)["phase"] == "refused"
    assert record(without)["reason"] == "say which adapters to trim: see the page of this lab"
    assert given.sh("true", DROPBATCH_OPTIONS=options).code == 0


def test_a_command_with_an_unset_config_is_refused(cloud: Cloud):
    job = cloud.job()

    assert job.sh("cat {config}").code == ExitCode.REFUSED
    assert "{config}" in record(job)["reason"]


def test_a_required_result_that_is_missing_is_a_failure(cloud: Cloud):
    job = cloud.job()
    options = Options(requires_output=True).to_json()

    assert job.sh("true", DROPBATCH_OPTIONS=options).code == ExitCode.STAGE_OUT
    assert (record(job)["status"], record(job)["phase"]) == ("FAILED", "stage-out")
    assert "left no result" in record(job)["reason"]


def test_earlier_attempts_and_the_pool_are_recorded(cloud: Cloud):
    earlier = ({"attempt": 1, "pool": "spot", "cause": "host", "reason": "Host EC2 terminated"},)
    job = cloud.job(pool="ondemand", earlier=earlier)

    job.sh("true")

    assert record(job)["pool"] == "ondemand"
    assert record(job)["earlier"] == list(earlier)


def test_published_files_of_an_earlier_try_are_removed(cloud: Cloud):
    job = cloud.job()
    for name in ("stale", "sub/stale", "bell\x07", "new\nline", "_run.json"):
        job.put(name, b"stale")

    assert job.sh("echo 1 > {output}/r").code == 0
    assert job.names == ["_log.txt", "_run.json", "r"]
    assert cloud.get(OUTPUT, job.spec.output + "stale") is None
