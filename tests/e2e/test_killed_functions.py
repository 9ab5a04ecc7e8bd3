"""The functions die at random while files arrive: as many results as files, none twice."""

import contextlib
import os
import random
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.e2e.lab import Lab, until

pytestmark = [pytest.mark.e2e, pytest.mark.soak]

FILES = int(os.environ.get("DROPBATCH_KILL_FILES", "300"))


def workers(lab: Lab) -> list[int]:
    """Process ids of the sandbox's Lambda workers: they are started from its own temporary directory."""
    listed = subprocess.run(["ps", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    mark = str(lab.sandbox.layout.tmp / "ministack-lambda-")
    return [int(line.split(None, 1)[0]) for line in listed.splitlines() if mark in line]


@contextlib.contextmanager
def killer(lab: Lab) -> Iterator[list[int]]:
    """Kills a worker every now and then, while it lasts; gives the list of victims."""
    victims: list[int] = []
    over = threading.Event()
    dice = random.Random(7)  # noqa: S311

    def work() -> None:
        while not over.wait(dice.uniform(0.1, 1.0)):
            alive = workers(lab)
            if alive:
                victims.append(dice.choice(alive))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(victims[-1], signal.SIGKILL)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield victims
    over.set()
    thread.join()


def test_functions_killed_at_random_lose_nothing_and_double_nothing(lab: Lab) -> None:
    with killer(lab) as victims:
        runs = {lab.drop(f"lab/wordcount/killed/{number:05}.txt", b"a b c\n") for number in range(FILES)}
        until(lambda: len(victims) >= 3 or None, "some functions to die")

    def finished() -> bool | None:
        states = Counter(item["state"] for item in lab.runs() if item["run_id"] in runs)
        return True if states["SUCCEEDED"] == FILES else None

    # What a dead function had in hand comes again when its messages do, or when its lease is found to have run out.
    until(finished, "every run to succeed", seconds=400 + FILES / 5)
    results = Counter(key.rsplit("/", 2)[1] for key in keys(lab) if key.endswith("/counts.txt"))
    assert results == dict.fromkeys(runs, 1)
    items = [item for item in lab.runs() if item["run_id"] in runs]
    assert len(items) == FILES
    assert {item["attempt"] for item in items} == {1}


def keys(lab: Lab) -> list[str]:
    pages = lab.s3.get_paginator("list_objects_v2").paginate(
        Bucket=lab.pointers["output_bucket"], Prefix="lab/wordcount/killed/"
    )
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]
