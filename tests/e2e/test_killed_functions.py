"""Functions are killed at random while files arrive: every file gets exactly one result."""

import os
import random
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.e2e.lab import Lab, until

pytestmark = pytest.mark.e2e

FILES = int(os.environ.get("DROPBATCH_KILL_FILES", "300"))
DEATHS = {"arrival": 3 + FILES // 300, "run-events": 3 + FILES // 100}
FOLDER = "lab/quick/killed/"


def killed(lab: Lab) -> Counter[str]:
    times = lab.sandbox.control()["killed"]
    return Counter({function: times.get(f"dropbatch-sandbox-{function}", 0) for function in DEATHS})


@pytest.fixture
def deaths(lab: Lab) -> Iterator[None]:
    """Kill functions at a random moment of their work, so many times."""
    before = killed(lab)
    dice = random.Random(7)  # noqa: S311
    for function, count in DEATHS.items():
        for _ in range(count):
            lab.sandbox.control({"fault": "kill-function", "function": function, "seconds": dice.uniform(0, 0.4)})
    yield
    lab.sandbox.control({"clear": True})
    assert killed(lab) - before == DEATHS


def test_randomly_killed_functions_lose_and_duplicate_nothing(lab: Lab, deaths: None) -> None:
    runs = {lab.drop(f"{FOLDER}{number:05}.txt", b"a b c\n") for number in range(FILES)}

    def items() -> list[dict[str, object]]:
        return [item for item in lab.runs() if item["run_id"] in runs]

    def finished() -> bool | None:
        if lab.sandbox.control()["faults"]:
            return None
        # Called directly, to save a minute of waiting for its schedule. A failed call is repeated.
        lab.client("lambda").invoke(FunctionName="dropbatch-sandbox-run-events", Payload=b"{}")
        return True if Counter(item["state"] for item in items())["SUCCEEDED"] == FILES else None

    until(finished, "every run to succeed after the last death", seconds=300 + FILES)
    results = Counter(key.rsplit("/", 2)[1] for key in keys(lab) if key.endswith("/copy"))
    assert {run: results[run] for run in runs} == dict.fromkeys(runs, 1)
    assert len(items()) == FILES
    assert {item["attempt"] for item in items()} == {1}


def keys(lab: Lab) -> list[str]:
    pages = lab.s3.get_paginator("list_objects_v2").paginate(Bucket=lab.pointers["output_bucket"], Prefix=FOLDER)
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]
