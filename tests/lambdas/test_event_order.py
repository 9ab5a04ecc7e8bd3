"""Late, repeated and shuffled job events lead to the same ledger."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dropbatch.contract import ledger
from dropbatch.contract.endings import Ending
from dropbatch.contract.keys import split_uri, started_key
from dropbatch.contract.manifest import Manifest
from dropbatch.contract.runs import State
from lambdas.common.system_messages import Held, held_body
from tests.lambdas.conftest import OUTPUT, definitions, sqs_record
from tests.lambdas.job_events import CONTAINER, NO_CAPACITY, RECLAIMED, tries
from tests.lambdas.scenario import STEPS, Life
from tests.lambdas.simulated_aws import SimulatedAws

_ROUNDS = 6
_STARTED = {"startedAt": 1_700_000_000_000}
_STOPPED = {"stoppedAt": 1_700_000_060_000, "attempts": tries(60)}

ENDS: dict[str, dict[str, Any]] = {
    "succeeded": {"status": "SUCCEEDED", **_STARTED, **_STOPPED},
    "failed": {"status": "FAILED", "statusReason": "Essential", "exit": 1, **_STARTED, **_STOPPED},
    "reclaimed": {"status": "FAILED", "statusReason": RECLAIMED, **_STARTED, **_STOPPED},
    "no capacity": {"status": "FAILED", "statusReason": NO_CAPACITY, "stoppedAt": 1_700_000_060_000},
    "out of memory": {"status": "FAILED", "statusReason": "Essential", "exit": 137, **_STARTED, **_STOPPED},
    "stopped": {"status": "FAILED", "statusReason": Ending.STOPPED, "exit": 143, **_STARTED, **_STOPPED},
    "cancelled": {"status": "FAILED", "statusReason": Ending.CANCELLED, "stoppedAt": 1_700_000_060_000},
}


class Story:
    """Files, and how each of their attempts ends; further attempts succeed."""

    def __init__(self, fates: Sequence[Sequence[str]]) -> None:
        self.aws = SimulatedAws()
        self.aws.batch.definitions = definitions()
        self.life = Life(self.aws, STEPS)
        self.keys = [f"lab/wordcount/{number}" for number in range(len(fates))]
        self.fates = dict(zip(self.keys, fates, strict=True))
        self.life.drop(*self.keys)
        self._seen: set[str] = set()

    def new_events(self) -> list[dict[str, Any]]:
        """Return all events of jobs submitted since the last call."""
        found = []
        for job in [each for job_id, each in self.aws.batch.jobs.items() if job_id not in self._seen]:
            self._seen.add(job["jobId"])
            size = job.get("arrayProperties", {}).get("size", 1)
            for index in range(size):
                found += self._events(job, index if size > 1 else None)
        return found

    def _events(self, job: Mapping[str, Any], index: int | None) -> list[dict[str, Any]]:
        variables = {each["name"]: each["value"] for each in job["containerOverrides"]["environment"]}
        run = Manifest.from_json(self.aws.s3.objects[split_uri(variables["DROPBATCH_MANIFEST"])]).runs[index or 0]
        fates = self.fates[run.key]
        end = ENDS[fates[run.attempt - 1] if run.attempt <= len(fates) else "succeeded"]
        job_id = job["jobId"] if index is None else f"{job['jobId']}:{index}"
        if "startedAt" in end:
            fence = OUTPUT, started_key(run.group, run.pipeline, run.run_id, run.attempt)
            self.aws.s3.objects.setdefault(fence, job_id.encode())
        place: dict[str, Any] = {} if index is None else {"arrayProperties": {"index": index}}
        same = {"jobName": job["jobName"], "jobId": job_id, "container": CONTAINER, **place}
        details: list[dict[str, Any]] = [{**same, "status": "SUBMITTED"}, {**same, "status": "RUNNABLE"}]
        if "startedAt" in end:
            details += [{**same, "status": "STARTING"}, {**same, "status": "RUNNING", **_STARTED}]
        container = {**CONTAINER, "exitCode": end["exit"]} if "exit" in end else CONTAINER
        details.append({**same, **end, "container": container})
        return [{"messageId": f"{job_id} {each['status']}", "body": json.dumps({"detail": each})} for each in details]

    def pass_time(self) -> None:
        """Deliver sent messages, let exhausted pools recover, and resubmit held runs."""
        self.life.deliver()
        self.aws.dynamodb.items = {
            key: item for key, item in self.aws.dynamodb.items.items() if not key.startswith("flag#dry")
        }
        held = [
            Held(group=run["group"], run_id=run["run_id"], job_name=run["job_name"])
            for run in self.aws.dynamodb.runs()
            if run["job_name"].startswith("rescue-")
        ]
        self.life.arrival.process([sqs_record(held_body(held))])

    def told(self) -> Counter[str]:
        """Return how often each run's end was published."""
        details = [json.loads(entry["Detail"]) for entry in self.aws.events.entries]
        return Counter(detail["run_id"] for detail in details if State(detail["state"]).final)

    def ledger(self) -> dict[str, Any]:
        """Return the ledger without times and random names."""
        drawn = {"job_name", "job_id", "updated_at", "created_at", "log_tail"}
        items = {key: ledger.from_item(item) for key, item in self.aws.dynamodb.items.items()}
        for item in items.values():
            for earlier in item.get("earlier", ()):
                del earlier["job_id"]  # places in an array follow the order in which its runs were asked for
        return {
            key: {name: value for name, value in item.items() if name not in drawn}
            for key, item in items.items()
            if not key.startswith(("job#", "flag#"))
        }


def in_order(fates: Sequence[Sequence[str]]) -> Story:
    story = Story(fates)
    for _ in range(_ROUNDS):
        for event in story.new_events():
            story.life.flow.process([event])
        story.pass_time()
    return story


@given(
    fates=st.lists(st.lists(st.sampled_from(sorted(ENDS)), max_size=3), min_size=1, max_size=4),
    random=st.randoms(use_true_random=False),
    per_batch=st.integers(1, 7),
)
@settings(max_examples=60, deadline=None)
def test_duplicate_late_and_shuffled_events_give_the_same_ledger(
    fates: list[list[str]], random: Any, per_batch: int
) -> None:
    expected = in_order(fates)
    story = Story(fates)
    past: list[dict[str, Any]] = []

    for _ in range(_ROUNDS):
        events = story.new_events()
        # Each event at least once, some repeatedly, and some long after they were processed.
        past += events
        batch = events + random.sample(past, len(past) // 2)
        random.shuffle(batch)
        for start in range(0, len(batch), per_batch):
            assert not story.life.flow.process(batch[start : start + per_batch]).ids
        story.pass_time()

    assert story.ledger() == expected.ledger()
    runs = story.aws.dynamodb.runs()
    assert all(State(run["state"]).final and "unfinished" not in run for run in runs)
    assert story.told() == Counter(run["run_id"] for run in runs)
