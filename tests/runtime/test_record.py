"""`_run.json` matches its schema, and is sufficient to reproduce the result."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dropbatch.contract import keys
from dropbatch.contract.manifest import ObjectSpec
from dropbatch.contract.record import FileRecord, RunRecord
from dropbatch.contract.reproduction import compare, pins_of
from tests.runtime.conftest import INPUT, OUTPUT, SHARED, Cloud, Job

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "run-record.schema.json").read_text("utf-8"))


def record(job: Job) -> dict[str, Any]:
    found = job.record
    assert found is not None
    return found


def test_the_schema_names_every_field_and_no_other():
    whole = RunRecord(status="FAILED", run_id="r", attempt=1, group="g", pipeline="p", inputs=[]).to_dict()
    file = FileRecord(uri="s3://b/k", size=1, sha256="")

    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert set(SCHEMA["properties"]) == set(whole)
    assert set(SCHEMA["$defs"]["file"]["properties"]) == set(vars(file))


@pytest.mark.parametrize(
    ("script", "changes"),
    [
        ("echo 1 > {output}/r", {}),
        ("exit 3", {}),
        ("echo {param.missing}", {}),
        ("true", {"version_id": "no-such-version"}),
        ("echo x > {output}/_run.json", {}),
        ("true", {"key": "lab/wordcount/folder/", "version_id": "", "size": 0}),
    ],
)
def test_every_record_is_valid_for_its_schema(cloud: Cloud, script: str, changes: dict[str, Any]):
    job = cloud.job(**changes)

    job.sh(script)

    jsonschema.validate(record(job), SCHEMA)


def again(cloud: Cloud, job: Job) -> Job:
    """Run the command of a record again, as the definition and image that it names would do."""
    found = record(job)
    run_id = f"{job.spec.run_id}-again"
    spec = pins_of(found).run(run_id=run_id, group="lab", pipeline="wordcount", output=f"lab/wordcount/x/{run_id}/")
    return Job(cloud, spec, cloud._environment(f"again-{job.spec.run_id}", [spec]))


DEFINITION = {"DROPBATCH_JOB_DEFINITION": "dropbatch-test-wordcount-lab:3"}


def test_counting_again_gives_an_identical_result_despite_later_uploads(cloud: Cloud):
    version = cloud.s3.put_object(Bucket=INPUT, Key="lab/configs/c", Body=b"old")["VersionId"]
    config = ObjectSpec(bucket=INPUT, key="lab/configs/c", version_id=version, size=3)
    job = cloud.job(b"one two two\n", name="again.txt", config=config, parameters={"k": "1"})
    command = [
        "sh",
        "-c",
        "wordcount {input} {output}/counts.txt && cp {config} {output}/c && echo {param.k} > {output}/k",
    ]
    job.run(*command, **DEFINITION)
    for key in (job.spec.key, "lab/configs/c"):
        cloud.s3.put_object(Bucket=INPUT, Key=key, Body=b"something else")

    second = again(cloud, job)
    ended = second.run(*command, **DEFINITION)

    assert ended.code == 0, ended.err
    assert compare(record(job), record(second)).line == "identical: 3 of 3 files have the same checksum"


def test_reading_a_folder_again_gives_its_earlier_content(cloud: Cloud):
    job = cloud.folder({"a": b"1", "b": b"2"}, name="again")
    job.sh("cat {input}/* > {output}/all", **DEFINITION)
    cloud.s3.put_object(Bucket=INPUT, Key=f"{job.spec.key}c", Body=b"3")
    cloud.s3.delete_object(Bucket=INPUT, Key=f"{job.spec.key}a")

    second = again(cloud, job)
    second.sh("cat {input}/* > {output}/all", **DEFINITION)

    assert second.get("all") == b"12"
    assert compare(record(job), record(second)).identical


def test_objects_named_by_a_command_are_read_and_written_as_before(cloud: Cloud):
    target = f"s3://{OUTPUT}/lab/wordcount/outer/"
    for name in ("named/1", "named/2"):
        cloud.s3.put_object(Bucket=SHARED, Key=name, Body=b"old")
    job = cloud.job(b"x")
    words = (
        "sh",
        "-c",
        'cat "$1"/* "$2" {input} > "$3"/all',
        "sh",
        f"s3://{SHARED}/named",
        f"s3://{SHARED}/named/1",
        target,
    )
    assert job.run(*words, **DEFINITION).code == 0
    cloud.s3.put_object(Bucket=SHARED, Key="named/1", Body=b"new")
    cloud.s3.put_object(Bucket=SHARED, Key="named/3", Body=b"more")

    second = again(cloud, job)
    ended = second.run(*words, **DEFINITION)

    assert ended.code == 0, ended.err
    found = compare(record(job), record(second))
    assert (found.identical, found.equal, found.inputs_changed) == (True, (target + "all",), ())
    assert cloud.get(*keys.split_uri(target + "all")) == b"oldoldoldx"
    versions = cloud.s3.list_object_versions(Bucket=OUTPUT, Prefix=keys.split_uri(target)[1])["Versions"]
    assert len(versions) == 2


def test_comparing_names_the_file_in_which_the_program_writes_the_time(cloud: Cloud):
    job = cloud.job(b"x")
    script = "date +%N > {output}/when && cp {input} {output}/same"
    job.sh(script, **DEFINITION)

    second = again(cloud, job)
    second.sh(script, **DEFINITION)

    found = compare(record(job), record(second))
    assert not found.identical
    assert (found.different, found.equal) == (("when",), ("same",))
