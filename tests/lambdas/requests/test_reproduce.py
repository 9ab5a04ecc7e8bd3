import json
from typing import Any

import pytest

from dropbatch.contract.items import Run
from dropbatch.contract.keys import manifest_key, record_key
from dropbatch.contract.ledger import PAUSED, to_item
from dropbatch.contract.manifest import RunSpec
from lambdas.arrival.next_steps import next_steps
from lambdas.common.system_messages import Held, held_body
from tests.lambdas.conftest import DEPLOYMENT, INPUT, OUTPUT, dropped
from tests.lambdas.requests.conftest import Bench

REPRODUCE = "lab/submissions/reproduce.json"
DEFINITION = "dropbatch-test-wordcount-lab"
FILES = [{"uri": "s3://in-bucket/lab/wordcount/a", "size": 3, "sha256": "aa", "version_id": "v1"}]


def succeeded(bench: Bench, name: str = "a", **changes: Any) -> str:
    """A run that succeeded with the first revision of its definition, and its record; there is a second revision."""
    bench.arrival.process([dropped(f"lab/wordcount/{name}")])
    (run,) = (each for each in bench.runs() if each["input"].endswith(f"/{name}"))
    bench.overwrite(run, state="SUCCEEDED")
    record = {
        "status": "SUCCEEDED",
        "run_id": run["run_id"],
        "input": run["input"],
        "inputs": [{**FILES[0], "uri": run["input"]}],
        "outputs": [],
        "parameters": {"k": "4"},
        "job_definition": f"{DEFINITION}:1",
        "image": "repository:wordcount-1",
    }
    bench.aws.s3.objects[OUTPUT, record_key(run["output_prefix"])] = json.dumps(record | changes).encode()
    bench.aws.batch.definitions[DEFINITION] = 2
    return str(run["run_id"])


def made_again(bench: Bench, original: str) -> dict[str, Any]:
    (found,) = (run for run in bench.runs() if run.get("reproduces") == original)
    return found


def manifest(bench: Bench, run: dict[str, Any]) -> RunSpec:
    text = bench.aws.s3.objects[OUTPUT, manifest_key("lab", "wordcount", run["job_name"])]
    (found,) = json.loads(text)["runs"]
    return RunSpec.from_dict(found)


def test_reproducing_uses_the_pinned_inputs(bench: Bench) -> None:
    original = succeeded(bench)

    bench.ask({"runs": [original]}, REPRODUCE, again=2)

    run = made_again(bench, original)
    spec = manifest(bench, run)
    assert run["run_id"] != original
    assert (spec.key, spec.version_id, spec.size, spec.parameters) == ("lab/wordcount/a", "v1", 3, {"k": "4"})
    assert run["output_prefix"] == spec.output == f"lab/wordcount/a/{run['run_id']}/"
    assert list(bench.aws.batch.jobs.values())[-1]["jobDefinition"] == f"{DEFINITION}:1"
    assert run["request"] == REPRODUCE


def test_a_held_reproduction_uses_the_pinned_inputs(bench: Bench) -> None:
    folder = f"s3://{INPUT}/lab/wordcount/day/"
    objects = [{"uri": folder + name, "size": 1, "sha256": "", "version_id": f"v-{name}"} for name in "ab"]
    original = succeeded(bench, input=folder, inputs=objects)
    bench.aws.dynamodb.items[PAUSED] = to_item({"id": PAUSED, "since": "2026", "reason": "budget"})
    bench.ask({"runs": [original]}, REPRODUCE)
    held = made_again(bench, original)
    del bench.aws.dynamodb.items[PAUSED]

    bench.deliver(held_body([Held(group="lab", run_id=held["run_id"], job_name=held["job_name"])]))

    spec = manifest(bench, made_again(bench, original))
    assert [(each.key, each.version_id) for each in spec.objects] == [
        ("lab/wordcount/day/a", "v-a"),
        ("lab/wordcount/day/b", "v-b"),
    ]
    assert list(bench.aws.batch.jobs.values())[-1]["jobDefinition"] == f"{DEFINITION}:1"
    assert "objects" not in held  # a folder of ten thousand objects is no item for a ledger


def test_a_reproduced_run_starts_no_next_step(bench: Bench) -> None:
    original = succeeded(bench)
    bench.ask({"runs": [original]}, REPRODUCE)
    chained = DEPLOYMENT.from_json(DEPLOYMENT.to_json().replace('"after": null', '"after": "wordcount"'))
    ended = {"state": "SUCCEEDED", "output": f"s3://{OUTPUT}/x"}

    assert list(next_steps(Run.from_item(bench.run(original) | ended), chained))
    assert not list(next_steps(Run.from_item(made_again(bench, original) | ended), chained))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"job_definition": None}, "cannot be reproduced: the record of $0 names no job definition"),
        ({"job_definition": "dropbatch-test-wordcount-neuro:1"}, "cannot be reproduced: its record names dropbatch-"),
        (
            {"job_definition": f"{DEFINITION}:9"},
            f"cannot be reproduced: its job definition {DEFINITION}:9 was deregistered",
        ),
        ({"inputs": [{"size": 1}]}, "cannot be reproduced: the record of $0 has an unexpected format"),
        ({"run_id": "r-1"}, "cannot be reproduced: the record of $0 belongs to r-1"),
    ],
)
def test_an_irreproducible_run_is_refused_with_the_reason(bench: Bench, changes: Any, reason: str) -> None:
    fine, original = succeeded(bench, "fine"), succeeded(bench, **changes)

    bench.ask({"runs": [fine, original]}, REPRODUCE)

    assert bench.faults(REPRODUCE)["runs[1]"].startswith(f"{original} {reason.replace('$0', original)}")
    assert not any("reproduces" in run for run in bench.runs())


def test_a_deregistered_definition_is_refused(bench: Bench) -> None:
    original = succeeded(bench)
    bench.aws.batch.deregistered = {f"{DEFINITION}:1"}

    bench.ask({"runs": [original]}, REPRODUCE)

    assert f"its job definition {DEFINITION}:1 was deregistered" in bench.faults(REPRODUCE)["runs[0]"]


def test_a_missing_record_is_refused(bench: Bench) -> None:
    original = succeeded(bench)
    bench.aws.s3.objects = {}

    bench.ask({"runs": [original]}, REPRODUCE)

    assert f"the record of {original} no longer exists: s3://{OUTPUT}/lab/" in bench.faults(REPRODUCE)["runs[0]"]


def test_runs_of_other_groups_or_without_a_result_are_refused(bench: Bench) -> None:
    bench.arrival.process([dropped("neuro/wordcount/a", "lab/wordcount/b")])
    other, own = (run["run_id"] for run in sorted(bench.runs(), key=lambda run: run["group"], reverse=True))

    bench.ask({"runs": [other, own]}, REPRODUCE)

    assert "is not a run of group 'lab'" in bench.faults(REPRODUCE)["runs[0]"]
    assert "only runs that succeeded can be reproduced" in bench.faults(REPRODUCE)["runs[1]"]


def test_more_than_a_hundred_runs_are_refused(bench: Bench) -> None:
    bench.ask({"runs": [f"r-{number:020}" for number in range(101)]}, REPRODUCE)

    assert bench.faults(REPRODUCE)["runs"] == "are 101, at most 100 are allowed in one request: split the request"
