"""A rerun of a folder processes the same object versions, even if the folder has changed."""

import json
from typing import Any

import pytest

from dropbatch.contract.keys import manifest_key, record_key
from dropbatch.contract.ledger import PAUSED, to_item
from dropbatch.contract.manifest import RunSpec
from lambdas.common.system_messages import Held, held_body
from tests.lambdas.conftest import INPUT, OUTPUT, dropped
from tests.lambdas.requests.conftest import Bench

FOLDER = "lab/byfolder/day/"
RERUN, RETRY = "lab/submissions/rerun.json", "lab/submissions/retry.json"
PINNED = [(f"{FOLDER}a", "v-a"), (f"{FOLDER}deep/b", "v-b")]


def started(bench: Bench) -> dict[str, Any]:
    bench.upload(f"{FOLDER}a", f"{FOLDER}deep/b")
    bench.arrival.process([dropped(f"{FOLDER}_DONE")])
    (run,) = bench.runs()
    return run


def ended(bench: Bench, run: dict[str, Any], state: str, **changes: Any) -> None:
    """End a run, and write its record."""
    read = [{"uri": f"s3://{INPUT}/{key}", "size": 4, "sha256": "aa", "version_id": version} for key, version in PINNED]
    elsewhere = {"uri": f"s3://{INPUT}/lab/configs/c", "size": 4, "sha256": "cc", "version_id": "v-c"}
    record = {"run_id": run["run_id"], "input": run["input"], "inputs": [*read, elsewhere], "status": state}
    bench.aws.s3.objects[OUTPUT, record_key(run["output_prefix"])] = json.dumps(record | changes).encode()
    bench.overwrite(run, state=state)


def anew(bench: Bench, *known: dict[str, Any]) -> dict[str, Any]:
    (found,) = (run for run in bench.runs() if run["run_id"] not in {each["run_id"] for each in known})
    return found


def objects(bench: Bench, run: dict[str, Any]) -> list[tuple[str, str]]:
    """The objects of a run's folder in its manifest."""
    run = bench.run(run["run_id"])
    (spec,) = json.loads(bench.aws.s3.objects[OUTPUT, manifest_key("lab", "byfolder", run["job_name"])])["runs"]
    return [(each.key, each.version_id) for each in RunSpec.from_dict(spec).objects]


def wait(bench: Bench, key: str, run: dict[str, Any]) -> None:
    """Make a request while the deployment is paused."""
    bench.aws.dynamodb.items[PAUSED] = to_item({"id": PAUSED, "since": "2026", "reason": "budget"})
    bench.ask({"runs": [run["run_id"]]}, key)
    del bench.aws.dynamodb.items[PAUSED]


def go_on(bench: Bench, run: dict[str, Any]) -> None:
    run = bench.run(run["run_id"])
    bench.deliver(held_body([Held(group="lab", run_id=run["run_id"], job_name=run["job_name"])]))


@pytest.mark.parametrize("end", [{"state": "SUCCEEDED"}, {"state": "FAILED", "phase": "program"}])
def test_a_rerun_reads_the_objects_of_the_first_run(bench: Bench, end: dict[str, str]) -> None:
    run = started(bench)
    assert objects(bench, run) == []  # the runtime lists it
    ended(bench, run, **end)

    bench.ask({"runs": [run["run_id"]]}, RERUN)

    again = anew(bench, run)
    assert objects(bench, again) == PINNED
    assert (again["repeats"], again["marker"]) == (run["run_id"], f"{FOLDER}_DONE")


def test_a_held_rerun_reads_the_objects_of_the_first_run(bench: Bench) -> None:
    run = started(bench)
    ended(bench, run, "SUCCEEDED")
    wait(bench, RERUN, run)

    go_on(bench, anew(bench, run))

    assert objects(bench, anew(bench, run)) == PINNED


def test_a_rerun_of_an_unstarted_rerun_reads_the_objects_of_the_first_run(bench: Bench) -> None:
    run = started(bench)
    ended(bench, run, "SUCCEEDED")
    wait(bench, RERUN, run)
    second = anew(bench, run)

    wait(bench, "lab/submissions/2/rerun.json", second)
    go_on(bench, anew(bench, run, second))

    assert objects(bench, anew(bench, run, second)) == PINNED


def test_a_retry_reads_the_objects_of_the_earlier_attempt(bench: Bench) -> None:
    run = started(bench)
    ended(bench, run, "FAILED", phase="program")

    bench.ask({"runs": [run["run_id"]]}, RETRY)

    assert bench.run(run["run_id"])["attempt"] == 2
    assert objects(bench, run) == PINNED


@pytest.mark.parametrize("phase", ["refused", "stage-in", "lost"])
def test_a_folder_that_was_not_read_completely_is_listed_again(bench: Bench, phase: str) -> None:
    run = started(bench)
    ended(bench, run, "FAILED", phase=phase)

    bench.ask({"runs": [run["run_id"]]}, RERUN)

    assert objects(bench, anew(bench, run)) == []
