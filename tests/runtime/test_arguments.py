"""`s3://` URIs in the command."""

import json

import pytest

from dropbatch.contract import keys
from dropbatch.contract.endings import ExitCode
from dropbatch.contract.options import Options, OptionsError
from dropbatch.runtime.uris import Mention, find, replace
from tests.runtime.conftest import OUTPUT, SHARED, Cloud, Ended, Job, rights

# --- where URIs are seen -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["p", "s3://b/k"], [("s3://b/k", "")]),
        (["p", "-i", "s3://b/k", "s3://b/l"], [("s3://b/k", "-i"), ("s3://b/l", "-i")]),
        (["p", "-i", "x", "s3://b/k"], [("s3://b/k", "")]),
        (["p", "--in=s3://b/k"], [("s3://b/k", "--in")]),
        (["p", "I=s3://b/k"], [("s3://b/k", "I")]),
        (["p", "--in=s3://b/k,s3://b/l"], [("s3://b/k", "--in"), ("s3://b/l", "--in")]),
        (["p", "local,s3://b/l"], [("s3://b/l", "")]),
        (["p", "--in=local,s3://b/l"], [("s3://b/l", "--in")]),
        (["p", "s3://b/k,with,commas,s3://b/l"], [("s3://b/k,with,commas", ""), ("s3://b/l", "")]),
        (["p", "s3://b/k=1"], [("s3://b/k=1", "")]),
        (["p", "s3://b/k", "s3://b/k"], [("s3://b/k", "")]),
        (["sh", "-c", "cp s3://b/k here"], []),
        (["p", "s3://bucket-only", "s3://", "s3:///k", "-o/s3://b/k"], []),
        (["p", "s3://b/\0output\0"], []),
    ],
)
def test_uris_of_a_command_are_found(words: list[str], found: list[tuple[str, str]]):
    assert [(mention.uri, mention.flag) for mention in find(words)] == found


def test_only_uris_are_replaced():
    words = ["p", "-i", "s3://b/k", "--o=x,s3://b/k", "a,b", "--l=1,2", "s3://b/k"]
    paths = {Mention("s3://b/k", "-i"): "/1/k", Mention("s3://b/k", "--o"): "/2/k"}

    assert replace(words, paths) == ["p", "-i", "/1/k", "--o=x,/2/k", "a,b", "--l=1,2", "s3://b/k"]


# --- in a job ------------------------------------------------------------------------------------------------------

CAT = 'cat "$1" "$2" > "$3"'
OPTIONS = Options(input_flags=("-i", "--in"), output_flags=("-o", "--out")).to_json()


def cp(job: Job, *words: str, **changes: str) -> Ended:
    return job.run("sh", "-c", CAT, "sh", *words, **changes)


def put(cloud: Cloud, key: str, body: bytes) -> str:
    cloud.s3.put_object(Bucket=SHARED, Key=key, Body=body)
    return f"s3://{SHARED}/{key}"


def test_existing_objects_are_staged_in_and_missing_ones_staged_out(cloud: Cloud):
    job = cloud.job(b"mine ")
    ref = put(cloud, "refs/a/notes.txt", b"shared")
    target = f"s3://{OUTPUT}/{job.spec.output}named.txt"

    ended = cp(job, "{input}", ref, target)

    assert ended.code == 0, ended.err
    assert job.get("named.txt") == b"mine shared"
    record = job.record
    assert record is not None
    assert [each["uri"] for each in record["inputs"]][1:] == [ref]
    assert record["inputs"][1]["version_id"]
    assert [each["uri"] for each in record["outputs"]] == [target]
    assert record["warnings"] == []


def test_equal_names_do_not_collide(cloud: Cloud):
    one, two = put(cloud, "one/same.txt", b"1"), put(cloud, "two/same.txt", b"2")
    job = cloud.job()

    ended = cp(job, one, two, "{output}/r")

    assert ended.code == 0, ended.err
    assert job.get("r") == b"12"


def test_a_prefix_is_a_directory(cloud: Cloud):
    put(cloud, "tree/x/1", b"1")
    put(cloud, "tree/2", b"2")
    job = cloud.job()

    for uri in (f"s3://{SHARED}/tree", f"s3://{SHARED}/tree/"):
        ended = job.run("sh", "-c", 'cat "$1"/2 "$1"/x/1; mkdir -p "$2/d"; echo out > "$2/d/f"', "sh", uri, "{output}")
        assert ended.out == "21", ended.err
    assert job.get("d/f") == b"out\n"


def test_a_directory_is_staged_out_below_its_uri(cloud: Cloud):
    job = cloud.job()
    below = f"s3://{OUTPUT}/{job.spec.output}"

    ended = job.run("sh", "-c", 'echo 1 > "$1/a"; mkdir "$2"; echo 2 > "$2/b"', "sh", f"{below}x/", f"{below}y")

    assert ended.code == 0, ended.err
    assert (job.get("x/a"), job.get("y/b")) == (b"1\n", b"2\n")


def test_an_option_decides_ambiguous_cases(cloud: Cloud):
    there = put(cloud, "there", b"here already")
    job = cloud.job()

    ended = job.run("sh", "-c", 'test ! -e "$2"', "sh", "-o", there, DROPBATCH_OPTIONS=OPTIONS)
    assert ended.code == 0, ended.err
    assert "left nothing for" in ended.err

    missing = f"s3://{SHARED}/missing"
    ended = job.run("true", f"--in={missing}", DROPBATCH_OPTIONS=OPTIONS)
    assert ended.code == ExitCode.STAGE_IN
    assert f"{missing} does not exist, and --in names inputs" in ended.err


def test_an_output_of_an_earlier_try_is_no_input_of_the_next(cloud: Cloud):
    job = cloud.job()
    one, two = (f"s3://{OUTPUT}/lab/wordcount/{job.spec.run_id}-beside/{name}" for name in ("1", "2/"))
    words = ("sh", "-c", 'echo $TRY > "$1"; echo $TRY > "$2"/file', "sh", one, two)
    deny = {"Effect": "Deny", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{OUTPUT}/*-beside/2/*"}
    assert job.run(*words, TRY="1", **cloud.credentials([*rights(), deny])).code == ExitCode.STAGE_OUT
    assert cloud.get(*keys.split_uri(one)) == b"1\n", "it is one by one that they are written"

    for changes in ({}, {"attempt": 2}):
        ended = cloud.again(job, job_id=f"{job.spec.run_id}-{len(changes)}", **{"attempt": 3} | changes).run(
            *words, TRY="2"
        )

        assert ended.code == 0, ended.err
        assert (cloud.get(*keys.split_uri(one)), cloud.get(*keys.split_uri(two + "file"))) == (b"2\n", b"2\n")
        record = job.record
        assert record is not None
        assert [each["uri"] for each in record["outputs"]] == [one, two + "file"]
        assert len(record["inputs"]) == 1


def test_an_input_missing_at_first_may_exist_at_the_next_try(cloud: Cloud):
    job = cloud.job()
    late = f"s3://{SHARED}/late"
    assert job.run("sh", "-c", 'cat "$1" > {output}/r', "sh", late).code == 1
    put(cloud, "late", b"there now")

    ended = job.run("sh", "-c", 'cat "$1" > {output}/r', "sh", late)

    assert ended.code == 0, ended.err
    assert job.get("r") == b"there now"


def test_one_uri_may_be_read_and_written(cloud: Cloud):
    key = "lab/wordcount/counter"
    cloud.s3.put_object(Bucket=OUTPUT, Key=key, Body=b"1")
    job = cloud.job()
    readable = {"Effect": "Allow", "Action": "s3:GetObject*", "Resource": f"arn:aws:s3:::{OUTPUT}/{key}"}

    ended = job.run(
        *("sh", "-c", 'echo "$(cat "$2")1" > "$4"', "sh", "-i", f"s3://{OUTPUT}/{key}", "-o", f"s3://{OUTPUT}/{key}"),
        DROPBATCH_OPTIONS=OPTIONS,
        **cloud.credentials([*rights(), readable]),
    )

    assert ended.code == 0, ended.err
    assert cloud.get(OUTPUT, key) == b"11\n"


def test_a_parameter_may_be_a_uri_and_placeholders_of_uris_are_kept(cloud: Cloud):
    ref = put(cloud, "by-parameter", b"p")
    job = cloud.job(parameters={"ref": ref})

    ended = job.run("sh", "-c", 'cat "$1"; echo " $2"', "sh", "{param.ref}", "{output_uri}")

    assert ended.out == f"p s3://{OUTPUT}/{job.spec.output}\n", ended.err


def test_a_bucket_that_cannot_be_listed_is_an_error(cloud: Cloud):
    job = cloud.job()

    ended = job.run("true", "s3://runtime-foreign/k")

    assert ended.code in {ExitCode.REFUSED, ExitCode.STAGE_IN}
    assert "runtime-foreign" in ended.err


def test_results_named_by_uri_are_withheld_after_a_failure(cloud: Cloud):
    job = cloud.job()

    ended = job.run("sh", "-c", 'echo half > "$1"; exit 5', "sh", f"s3://{OUTPUT}/{job.spec.output}half")

    assert ended.code == 5
    assert job.names == ["_log.txt", "_run.json"]


def test_the_command_is_used_alone_without_a_manifest(cloud: Cloud):
    ref, target = put(cloud, "bare/in", b"bare"), f"s3://{OUTPUT}/lab/wordcount/bare-out"
    job = cloud.job()
    env = {name: value for name, value in job.env.items() if not name.startswith(("DROPBATCH_", "AWS_BATCH"))}
    job.env = env

    ended = job.run("cp", ref, target)

    assert ended.code == 0, ended.err
    assert cloud.get(OUTPUT, "lab/wordcount/bare-out") == b"bare"
    assert job.names == []
    assert job.run("cp", ref, "{output}/x").code == ExitCode.REFUSED


# --- options -------------------------------------------------------------------------------------------------------


def test_options_are_restored_from_their_text():
    options = Options(input_flags=("-i",), output_flags=("-o", "--out"), requires_config="why", requires_output=True)

    assert Options.from_json(options.to_json()) == options
    assert Options.from_json(Options().to_json()) == Options()
    assert Options().to_json() == ""


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"later": 1}), '"x"'])
def test_options_of_another_version_are_refused(text: str):
    with pytest.raises(OptionsError):
        Options.from_json(text)


def test_invalid_options_are_a_usage_error(cloud: Cloud):
    assert cloud.job().sh("true", DROPBATCH_OPTIONS="{").code == ExitCode.USAGE
