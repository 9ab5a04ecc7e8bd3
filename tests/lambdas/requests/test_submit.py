import json
from typing import Any

import pytest

from dropbatch.contract.manifest import Manifest
from lambdas.arrival.requests import plans, processor
from tests.lambdas.conftest import DEPLOYMENT, INPUT, OUTPUT, dropped, make_arrival, sqs_record
from tests.lambdas.requests.conftest import Bench
from tests.lambdas.simulated_aws import SimulatedAws, error

FILES = [f"lab/inputs/day1/{name}" for name in ("a.dat", "b.dat", "c.txt", "deep/d.dat")]


def inputs(bench: Bench) -> list[str]:
    return sorted(run["input"].removeprefix(f"s3://{INPUT}/") for run in bench.runs())


def specs(bench: Bench) -> list[Any]:
    texts = [body for (bucket, key), body in bench.aws.s3.objects.items() if key.startswith("_dropbatch/manifests/")]
    return [run for text in texts for run in Manifest.from_json(text).runs]


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("lab/inputs/day1/a.dat", FILES[:1]),
        (["lab/inputs/day1/a.dat", "lab/inputs/day1/c.txt"], [FILES[0], FILES[2]]),
        ("lab/inputs/day1/*.dat", FILES[:2]),
        ("lab/inputs/**/*.dat", [*FILES[:2], FILES[3]]),
        ("lab/inputs/day?/[ac].*", [FILES[0], FILES[2]]),
        ("lab/inputs/day1/", ["lab/inputs/day1/"]),
        (f"s3://{INPUT}/lab/inputs/day1/a.dat", FILES[:1]),
        (["lab/inputs/day1/*.dat", "lab/inputs/day1/a.dat"], FILES[:2]),
    ],
)
def test_inputs_are_keys_patterns_folders_and_uris(bench: Bench, named: Any, expected: list[str]) -> None:
    bench.upload(*FILES, "lab/inputs/day1/")

    bench.ask({"pipeline": "wordcount", "inputs": named})

    assert inputs(bench) == expected
    assert not bench.runs(rejected=True)


def test_a_grid_runs_every_combination_for_every_input(bench: Bench) -> None:
    bench.upload(*FILES)

    bench.ask({"pipeline": "wordcount", "inputs": "lab/inputs/day1/*.dat", "parameters": {"k": [1, 2, 4], "m": "x"}})

    assert sorted((spec.key[-5:], spec.parameters["k"], spec.parameters["m"]) for spec in specs(bench)) == [
        (name, k, "x") for name in ("a.dat", "b.dat") for k in ("1", "2", "4")
    ]
    (job,) = bench.aws.batch.jobs.values()
    assert job["arrayProperties"] == {"size": 6}


def test_a_duplicate_event_starts_no_second_request_and_a_new_upload_does(bench: Bench) -> None:
    bench.upload(*FILES)
    request = {"pipeline": "wordcount", "inputs": "lab/inputs/day1/*.dat"}

    bench.ask(request, again=3)
    assert len(bench.runs()) == 2

    bench.ask(request, version="v2")
    assert len(bench.runs()) == 4


def test_a_request_keeps_its_first_expansion(bench: Bench) -> None:
    bench.upload(*FILES)
    request = {"pipeline": "wordcount", "inputs": "lab/inputs/day1/*.dat"}
    bench.ask(request)

    bench.upload("lab/inputs/day1/late.dat")
    bench.aws.s3.versions[INPUT, FILES[0]] = "v2"
    bench.ask(request)

    assert inputs(bench) == FILES[:2]


def test_a_run_has_the_values_of_its_request(bench: Bench) -> None:
    bench.upload(*FILES, "lab/configs/c.toml")

    bench.ask(
        {
            "pipeline": "wordcount",
            "inputs": "lab/inputs/day1/a.dat",
            "config": "lab/configs/c.toml",
            "name": "tuesday",
            "overrides": {"memory_mib": 4000, "vcpus": 2, "timeout_minutes": 30, "pool": "ondemand"},
        }
    )

    (run,) = bench.runs()
    (spec,) = specs(bench)
    (job,) = bench.aws.batch.jobs.values()
    assert (run["name"], run["request"]) == ("tuesday", "lab/submissions/submit.json")
    assert spec.config.key == "lab/configs/c.toml"
    assert spec.output == f"lab/wordcount/day1/a.dat/{run['run_id']}/"
    assert job["jobQueue"] == "dropbatch-test-ondemand"
    assert job["timeout"] == {"attemptDurationSeconds": 1800}
    assert job["containerOverrides"]["resourceRequirements"] == [
        {"type": "VCPU", "value": "2"},
        {"type": "MEMORY", "value": "4000"},
    ]


def test_runs_with_different_resources_are_separate_jobs(bench: Bench) -> None:
    bench.upload(*FILES)
    request: dict[str, Any] = {"pipeline": "wordcount", "inputs": "lab/inputs/day1/a.dat"}

    bench.ask(request)
    bench.ask(request | {"overrides": {"memory_mib": 4000}}, version="v2")

    assert len(bench.aws.batch.jobs) == 2


def test_toml_and_json_are_equivalent(bench: Bench) -> None:
    bench.upload(*FILES)
    text = b'\xef\xbb\xbfpipeline = "wordcount"\ninputs = ["lab/inputs/day1/*.dat"]\n[parameters]\nk = [1, 2.5, true]\n'

    bench.ask(text, "lab/submissions/2026/my submit.toml")

    assert sorted({spec.parameters["k"] for spec in specs(bench)}) == ["1", "2.5", "true"]


def test_a_folder_may_be_named_in_a_pipeline_started_by_files(bench: Bench) -> None:
    bench.upload(*FILES)

    bench.ask({"pipeline": "byrequest", "inputs": "lab/inputs/day1/"})

    (spec,) = specs(bench)
    assert spec.is_folder
    assert spec.output == f"lab/byrequest/day1/{spec.run_id}/"


def test_a_large_request_is_processed_in_slices(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "PART_CALLS", 2)
    monkeypatch.setattr(processor, "RUNS_AT_ONCE", 7)
    monkeypatch.setattr(processor, "_MAX_RUNS", 7)
    names = [f"lab/inputs/{number:03}.dat" for number in range(23)]
    bench.upload(*names)

    bench.ask({"pipeline": "wordcount", "inputs": [*names[:5], "lab/inputs/*"], "parameters": {"k": [1, 2]}}, again=2)

    assert inputs(bench) == sorted(names * 2)
    assert bench.delivered > 5


def test_an_invocation_completes_at_least_one_step_and_leaves_time_for_claims(bench: Bench) -> None:
    bench.upload("lab/inputs/a.dat", "lab/inputs/b.dat")
    keys = ["lab/submissions/1/submit.json", "lab/submissions/2/submit.json"]
    for key, name in zip(keys, "ab", strict=True):
        body = json.dumps({"pipeline": "wordcount", "inputs": f"lab/inputs/{name}.dat"}).encode()
        bench.aws.s3.objects[INPUT, key] = body
    waiting = [dropped(*keys)]
    passes = 0
    while waiting:  # one step finds the run, another starts it: of each request
        assert not bench.arrival.process(waiting, spent=lambda: 0.3).ids
        passes += 1
        waiting = [sqs_record(sent["MessageBody"], str(place)) for place, sent in enumerate(bench.aws.sqs.sent)]
        bench.aws.sqs.sent.clear()

    assert inputs(bench) == ["lab/inputs/a.dat", "lab/inputs/b.dat"]
    assert passes == 4


def test_listing_continues_where_it_ended(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "PART_CALLS", 1)
    names = [f"lab/inputs/{number:04}.dat" for number in range(2500)]
    bench.upload(*names)

    bench.ask({"pipeline": "wordcount", "inputs": "lab/inputs/*.dat"})

    assert inputs(bench) == names


REFUSED: list[tuple[Any, str, str]] = [
    ({"inputs": "lab/inputs/none.dat"}, "inputs", "the object does not exist: s3://in-bucket/lab/inputs/none.dat"),
    ({"inputs": ["lab/inputs/day1/a.dat", "lab/inputs/*.gz"]}, "inputs[1]", "the pattern matches no object"),
    ({"inputs": "lab/inputs/empty/"}, "inputs", "the folder is empty"),
    ({"inputs": "neuro/inputs/x"}, "inputs", "belongs to group 'neuro', got 'neuro/inputs/x': only objects below lab/"),
    ({"inputs": "lab/inputs/../../neuro/x"}, "inputs", "must not contain .., got"),
    ({"inputs": "lab/sort/x"}, "inputs", "must be below lab/wordcount/ or lab/inputs/"),
    ({"inputs": "lab/submissions/submit.json"}, "inputs", "is in the folder for requests"),
    ({"inputs": "_dropbatch/manifests/x"}, "inputs", "is a control object"),
    ({"inputs": "*/inputs/*"}, "inputs", "must begin with the group's folder"),
    ({"inputs": "lab/*"}, "inputs", "must be below lab/wordcount/ or lab/inputs/"),
    ({"inputs": "s3://other/x"}, "inputs", "is in a bucket that the pipeline may not read, got 's3://other/x': put"),
    ({"inputs": "s3://"}, "inputs", "is not an S3 URI"),
    ({"inputs": []}, "inputs", "must not be empty"),
    ({"inputs": 7}, "inputs", "must be a text, got '7': put it in quotes"),
    ({"inputs": ["lab/inputs/day1/a.dat", ""]}, "inputs[1]", "must not be empty"),
    ({}, "inputs", "is required"),
    ({"pipeline": "wordcont", "inputs": "x"}, "pipeline", "no pipeline is named 'wordcont': did you mean 'wordcount'?"),
    ({"input": "x"}, "input", "unknown field: did you mean 'inputs'?"),
    ({"inputs": "lab/inputs/day1/a.dat", "config": "lab/configs/none"}, "config", "the object does not exist"),
    ({"inputs": "lab/inputs/day1/a.dat", "config": "lab/configs/*"}, "config", "must be one file"),
    ({"inputs": "lab/inputs/day1/a.dat", "parameters": {"a b": 1}}, "parameters.a b", "must be named by letters"),
    ({"inputs": "lab/inputs/day1/a.dat", "parameters": {"k": []}}, "parameters.k", "must not be an empty list"),
    ({"inputs": "lab/inputs/day1/a.dat", "parameters": {"k": [1, {}]}}, "parameters.k[1]", "must be a text of at most"),
    ({"inputs": "lab/inputs/day1/a.dat", "parameters": 3}, "parameters", "must be a table"),
    (
        {"inputs": "lab/inputs/day1/a.dat", "parameters": {"k": list(range(200)), "m": list(range(51))}},
        "parameters",
        "make 10200 runs for each input, at most 10000 are allowed in one request",
    ),
    (
        {"inputs": "lab/inputs/day1/*.dat", "parameters": {"k": list(range(6000))}},
        "inputs",
        "make 12000 runs, at most 10000 are allowed in one request: split the request",
    ),
    (
        {"inputs": "lab/inputs/day1/a.dat", "overrides": {"memory_mib": 9000}},
        "overrides.memory_mib",
        "must be from 64 to 8192 (the maximum of pipeline 'wordcount'), got 9000",
    ),
    ({"inputs": "x", "overrides": {"vcpus": "2"}}, "overrides.vcpus", "must be a whole number, got '2'"),
    ({"inputs": "x", "overrides": {"pool": "gpu"}}, "overrides.pool", "must be a pool of pipeline 'wordcount'"),
    ({"inputs": "x", "overrides": {"gpus": 1}}, "overrides.gpus", "unknown field"),
    ({"inputs": "lab/inputs/day1/a.dat", "name": "x" * 101}, "name", "must have at most 100 characters, got 101"),
    (
        {"inputs": "lab/inputs/day1/" + "l" * 800, "resultpath": "r" * 200},
        "inputs",
        "its results would get keys of ",
    ),
]


@pytest.mark.parametrize(("body", "place", "text"), REFUSED)
def test_an_invalid_request_starts_nothing_and_gives_the_reason(bench: Bench, body: Any, place: str, text: str) -> None:
    bench.upload(*FILES, "lab/inputs/day1/" + "l" * 800)

    bench.ask({"pipeline": "wordcount", **body}, again=2)

    assert bench.faults()[place].startswith(text), bench.faults()
    assert not bench.runs()
    assert not bench.aws.batch.jobs
    (refused,) = bench.runs(rejected=True)
    assert refused["reason"].endswith(f"see s3://{OUTPUT}/lab/submissions/submit.json/_rejected.json")
    (told,) = bench.aws.events.entries
    assert json.loads(told["Detail"])["state"] == "REJECTED"


@pytest.mark.parametrize(
    ("text", "place", "fault"),
    [
        (b"{", "line 1, column 2", "the file is not JSON: "),
        (b"[]", "", "the file must hold an object, got a list"),
        (b'{"pipeline": "a", "pipeline": "b"}', "pipeline", "is given twice: keep one"),
        (b'{"inputs": NaN}', "", "the file is not JSON: NaN is not a JSON number"),
        (b"\xff", "byte 1", "the file is not UTF-8"),
        (b"[" * 100_000, "", "the file is nested too deeply"),
        (b'{"x": ' + b"1" * 5000 + b"}", "", "the file is not JSON: Exceeds the limit"),
        (b'{"pipeline": "\\ud800", "inputs": "x"}', "pipeline", "must be valid text"),
        (b"{}" + b" " * 1024 * 1024, "", "the file has 1048578 bytes, at most 1048576 are read"),
    ],
)
def test_invalid_json_is_refused_with_its_place(bench: Bench, text: bytes, place: str, fault: str) -> None:
    bench.ask(text)

    assert bench.faults()[place].startswith(fault), bench.faults()


def test_invalid_toml_is_refused_with_its_place(bench: Bench) -> None:
    bench.ask(b"inputs = \n", "lab/submissions/submit.toml")

    assert "(at line 1, column 10)" in bench.faults("lab/submissions/submit.toml")[""]


def test_every_fault_is_reported_at_once(bench: Bench) -> None:
    bench.ask({"pipeline": "wordcount", "inputs": ["a/b", "neuro/x/y"], "nmae": "x", "overrides": {"vcpus": 0}})

    assert set(bench.faults()) == {"inputs[0]", "inputs[1]", "nmae", "overrides.vcpus"}
    assert bench.refusal()["complete"]
    (refused,) = bench.runs(rejected=True)
    assert "(and 3 more faults)" in refused["reason"]


def test_a_long_list_of_faults_is_truncated(bench: Bench) -> None:
    bench.ask({"pipeline": "wordcount", "inputs": [f"lab/inputs/{number}" for number in range(150)]})

    assert len(bench.refusal()["faults"]) == 100
    assert not bench.refusal()["complete"]


def test_a_deleted_request_is_refused(bench: Bench) -> None:
    bench.ask({"pipeline": "wordcount", "inputs": "x"})
    del bench.aws.s3.objects[INPUT, "lab/submissions/submit.json"]
    bench.deliver(json.dumps({"dropbatch": 1, "kind": "requests", "steps": [_step("lab/submissions/x/submit.json")]}))

    assert bench.faults("lab/submissions/x/submit.json")[""].startswith("the request was deleted before it was read")


def _step(key: str) -> dict[str, Any]:
    texts = {"group": "lab", "request": "submit", "bucket": INPUT, "key": key, "version_id": "v1", "stage": ""}
    return {**texts, "size": 1, "page": 0, "first": 0, "after": ""}


@pytest.mark.parametrize(
    ("key", "pipeline"),
    [("lab/submissions/sort/submit.json", "sort"), ("neuro/submissions/wordcount/submit.json", "wordcount")],
)
def test_a_folder_below_submissions_names_the_pipeline(bench: Bench, key: str, pipeline: str) -> None:
    group = key.partition("/")[0]
    bench.upload(f"{group}/inputs/a.dat")

    bench.ask({"inputs": f"{group}/inputs/a.dat"}, key)

    assert [run["pipeline"] for run in bench.runs()] == [pipeline]


@pytest.mark.parametrize(
    ("more", "runs"),
    [({"inputs": "lab/inputs/day1/*.dat"}, 2), ({"inputs": FILES[0], "parameters": {"k": [1, 2, 3]}}, 3)],
)
def test_a_state_machine_can_wait_for_one_run_only(bench: Bench, more: dict[str, Any], runs: int) -> None:
    bench.upload(*FILES)

    bench.ask({"pipeline": "wordcount", "task_token": "t" * 1024, **more})

    fault = f"a state machine can wait for one run, the request makes {runs}: make one request for each run"
    assert bench.faults() == {"task_token": fault}
    assert not bench.runs()


def test_the_event_of_a_run_with_a_task_token_names_the_request(bench: Bench) -> None:
    bench.upload(*FILES)

    bench.ask({"pipeline": "wordcount", "task_token": "t", "inputs": FILES[0]})
    bench.ask({"pipeline": "wordcount", "task_token": "t", "inputs": "lab/inputs/none"}, version="v2")

    assert [run["request"] for run in bench.runs()] == ["lab/submissions/submit.json"]
    told = [json.loads(entry["Detail"]) for entry in bench.aws.events.entries]
    assert [(each["state"], each["request"]) for each in told] == [("REJECTED", "lab/submissions/submit.json")]


@pytest.mark.parametrize("name", ["a.dat", "folder/", "*.dat"])
def test_a_denied_listing_is_a_fault_and_any_other_error_is_retried(name: str) -> None:
    aws = SimulatedAws()
    pipeline = DEPLOYMENT.pipelines["wordcount"]._replace(read_buckets=("genomes",))
    bench = Bench(aws, make_arrival(aws, DEPLOYMENT._replace(pipelines={"wordcount": pipeline})))
    code = "ThrottlingException"

    def refuse(operation: str, call: Any) -> None:
        if call.get("Bucket") == "genomes":
            raise error(code, operation)

    aws.tap = refuse
    bench.upload("lab/submissions/submit.json")
    body = {"pipeline": "wordcount", "inputs": f"s3://genomes/{name}"}
    aws.s3.objects[INPUT, "lab/submissions/submit.json"] = json.dumps(body).encode()
    assert bench.arrival.process([dropped("lab/submissions/submit.json")]).ids == {"m1"}

    code = "AccessDenied"
    bench.ask(body)

    assert bench.faults()["inputs"].startswith("bucket 'genomes' cannot be listed (AccessDenied): its owner must allow")
    assert not bench.runs()
