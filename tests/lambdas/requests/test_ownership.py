"""Requests may name objects of their group, of shared folders and of allowed buckets, but not of other groups."""

from typing import Any

import pytest

from tests.lambdas.conftest import DEPLOYMENT, INPUT, OUTPUT, definitions, dropped, make_arrival
from tests.lambdas.requests.conftest import Bench
from tests.lambdas.simulated_aws import SimulatedAws

SHARED = DEPLOYMENT._replace(
    read_prefixes={"lab": ("shared/references/", "neuro/inputs/public/")},
    pipelines={
        **DEPLOYMENT.pipelines,
        "wordcount": DEPLOYMENT.pipelines["wordcount"]._replace(read_buckets=("atlas/open/",)),
        "neuros": DEPLOYMENT.pipelines["sort"]._replace(definitions={"neuro": "dropbatch-test-neuros-neuro"}),
    },
)


@pytest.fixture
def bench() -> Bench:
    aws = SimulatedAws()
    aws.batch.definitions = definitions(SHARED)
    made = Bench(aws, make_arrival(aws, SHARED))
    for key in (
        "lab/inputs/mine.txt",
        "lab/configs/c",
        "neuro/inputs/theirs.txt",
        "neuro/configs/c",
        "neuro/wordcount/x",
    ):
        made.upload(key)
    made.upload(
        "shared/references/r.txt", "shared/secret.txt", "neuro/inputs/public/p.txt", "LAB/inputs/x", "lab2/inputs/x"
    )
    made.upload("open/a.txt", "closed/a.txt", bucket="atlas")
    made.upload("neuro/wordcount/result.txt", bucket=OUTPUT)
    return made


OTHERS = [
    ("neuro/inputs/theirs.txt", "belongs to group 'neuro'"),
    ("neuro/wordcount/x", "belongs to group 'neuro'"),
    (f"s3://{INPUT}/neuro/inputs/theirs.txt", "belongs to group 'neuro'"),
    (f"s3://{OUTPUT}/neuro/wordcount/result.txt", "is in a bucket that the pipeline may not read"),
    ("neuro/inputs/*.txt", "belongs to group 'neuro'"),
    ("*/inputs/theirs.txt", "must begin with the group's folder"),
    ("**", "must begin with the group's folder"),
    ("?euro/inputs/theirs.txt", "must begin with the group's folder"),
    ("[n]euro/inputs/*", "must begin with the group's folder"),
    ("{neuro,lab}/inputs/*", "must begin with the group's folder"),
    ("lab*/inputs/x", "must begin with the group's folder"),
    ("lab/inputs/../../neuro/inputs/theirs.txt", "must not contain .."),
    (f"s3://{INPUT}/lab/inputs/../../neuro/inputs/theirs.txt", "must not contain .."),
    ("shared/references/../secret.txt", "must not contain .."),
    ("./neuro/inputs/theirs.txt", "must be below"),
    ("/neuro/inputs/theirs.txt", "must be below"),
    ("Neuro/inputs/theirs.txt", "must be below"),
    ("LAB/inputs/x", "must be below"),
    ("lab2/inputs/x", "must be below"),
    ("neuro%2Finputs%2Ftheirs.txt", "must be below"),
    ("neuro/inputs/", "belongs to group 'neuro'"),
    ("neuro/", "belongs to group 'neuro'"),
    ("shared/secret.txt", "must be below"),
    ("shared/*", "must begin with the group's folder"),
    ("shared/", "must be below"),
    ("neuro/inputs/pub*", "belongs to group 'neuro'"),
    ("lab/submissions/other.json", "is in the folder for requests"),
    (f"s3://{OUTPUT}/_dropbatch/manifests/lab/wordcount/x.json", "is in a bucket that the pipeline may not read"),
    ("s3://atlas/closed/a.txt", "is in a bucket that the pipeline may not read"),
    ("s3://atlas/*", "is in a bucket that the pipeline may not read"),
    ("s3://elsewhere/a.txt", "is in a bucket that the pipeline may not read"),
]


@pytest.mark.parametrize(("named", "fault"), OTHERS)
def test_objects_of_another_group_are_refused(bench: Bench, named: str, fault: str) -> None:
    bench.ask({"pipeline": "wordcount", "inputs": ["lab/inputs/mine.txt", named]})

    assert fault in bench.faults()["inputs[1]"]
    assert not bench.runs()


@pytest.mark.parametrize(("named", "fault"), [*OTHERS, ("neuro/configs/c", "belongs to group 'neuro'")])
def test_a_config_of_another_group_is_refused(bench: Bench, named: str, fault: str) -> None:
    bench.ask({"pipeline": "wordcount", "inputs": "lab/inputs/mine.txt", "config": named})

    single = "must be one file"
    assert fault in bench.faults()["config"] or single in bench.faults()["config"]
    assert not bench.runs()


@pytest.mark.parametrize(
    "named",
    ["shared/references/r.txt", f"s3://{INPUT}/shared/references/*", "neuro/inputs/public/**", "s3://atlas/open/a.txt"],
)
def test_folders_shared_with_the_group_may_be_named(bench: Bench, named: str) -> None:
    bench.ask({"pipeline": "wordcount", "inputs": named})

    (run,) = bench.runs()
    assert run["group"] == "lab"
    assert run["output_prefix"].startswith("lab/wordcount/")


def test_a_folder_shared_with_one_group_is_refused_to_another(bench: Bench) -> None:
    key = "neuro/submissions/submit.json"
    bench.ask({"pipeline": "wordcount", "inputs": "shared/references/r.txt"}, key)

    assert "must be below" in bench.faults(key)["inputs"]


@pytest.mark.parametrize("kind", ["retry", "rerun", "cancel", "reproduce"])
def test_runs_of_another_group_are_unknown(bench: Bench, kind: str) -> None:
    bench.upload("neuro/inputs/a.txt")
    bench.ask({"pipeline": "wordcount", "inputs": "neuro/inputs/a.txt"}, "neuro/submissions/submit.json")
    (theirs,) = bench.runs()
    before = dict(bench.aws.dynamodb.items[theirs["id"]])
    key = f"lab/submissions/{kind}.json"

    bench.ask({"runs": [theirs["run_id"]]}, key)

    assert "is not a run of group 'lab'" in bench.faults(key)["runs[0]"]
    assert bench.aws.dynamodb.items[theirs["id"]] == before


@pytest.mark.parametrize("body", [{"pipeline": "neuros", "inputs": "lab/inputs/mine.txt"}])
def test_pipelines_of_other_groups_are_unknown(bench: Bench, body: dict[str, Any]) -> None:
    bench.ask(body)

    assert "no pipeline is named 'neuros'" in bench.faults()["pipeline"]


def test_a_file_for_a_pipeline_of_other_groups_is_refused_with_the_reason(bench: Bench) -> None:
    bench.arrival.process([dropped("lab/neuros/a.dat")])

    (refused,) = bench.runs(rejected=True)
    assert refused["reason"] == "pipeline 'neuros' is not set up for group 'lab': ask an operator to add it"


@pytest.mark.parametrize("prefix", ["neuro/wordcount/", "neuro/", "lab/../neuro/wordcount/"])
def test_a_backfill_is_limited_to_the_folder_of_the_group(bench: Bench, prefix: str) -> None:
    key = "lab/submissions/backfill.json"

    bench.ask({"pipeline": "wordcount", "prefix": prefix}, key)

    assert "must begin with lab/wordcount/" in bench.faults(key)["prefix"]
