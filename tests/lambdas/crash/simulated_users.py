"""The users of a schedule: they drop files, make requests, and check the results."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dropbatch.contract import keys
from dropbatch.contract.ledger import from_item
from dropbatch.contract.runs import State, next_run_id, request_id, run_id
from tests.lambdas.conftest import INPUT, dropped

if TYPE_CHECKING:
    from tests.lambdas.crash.world import World

_VERSION = "v1"
_REQUESTING = 0.3
"""Share of schedules with requests, which take more time."""
_MOST_REQUESTS = 4
_SHELF = ("lab/inputs/a", "lab/inputs/b")
"""Objects that only requests use."""


class SimulatedUsers:
    """Makes requests, and knows which runs must exist at the end."""

    def __init__(self, world: "World", files: int) -> None:
        self._world = world
        self._files = [f"lab/wordcount/{number}" for number in range(files)]
        self.makes_requests = world.random.random() < _REQUESTING
        self._requests = 0
        self._asked: set[str] = set()
        """Ids of the runs that must exist, without next steps."""
        self._cancelled: set[str] = set()
        self._retried: set[str] = set()
        for key in _SHELF:
            world.aws.s3.objects[INPUT, key] = b"data"

    def drop_files(self) -> None:
        """Drop all files, up to four in one message."""
        self._asked |= {_identity("wordcount", key) for key in self._files}
        left = list(self._files)
        self._world.random.shuffle(left)
        while left:
            count = self._world.random.randint(1, 4)
            self._world.send(dropped(*left[:count])["body"])
            del left[:count]

    def ask(self) -> None:
        """Make the next request, if any is left; retry a canceled run, if there is one."""
        if not self.makes_requests:
            return
        items = self._world.aws.dynamodb.run_items()
        ended = [item for item in items if self._may_retry(item)]
        if ended:
            self._retry(self._choice(ended))
            return
        if self._requests == _MOST_REQUESTS:
            return
        runs = [item for item in items if item["run_id"]["S"] not in self._cancelled]
        self._requests += 1
        if not runs or self._world.random.random() < 0.2:
            self._submit()
        elif self._world.random.random() < 0.7:
            self._cancel(self._choice(runs))
        else:
            self._rerun(self._choice(runs))

    def faults(self, runs: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Return the differences from the expected runs; `runs` are the RUN items by id."""
        done = {run for run, item in runs.items() if item["state"] == State.SUCCEEDED}
        asked = self._asked | {next_run_id("plot", run) for run in done if runs[run]["pipeline"] == "wordcount"}
        faults = [f"lost: {run}" for run in sorted(asked - runs.keys())]
        faults += [f"nobody asked for: {runs[run]}" for run in sorted(runs.keys() - asked)]
        for run in sorted(asked & runs.keys() - done):
            state, given_up = runs[run]["state"], run in self._cancelled - self._retried
            if state == State.REJECTED and "over_limit" in runs[run] and not self.makes_requests:
                continue
            if state != State.CANCELLED or not given_up:
                faults.append(f"{state}: {run}")
            elif self._world.completions[run]:
                faults.append(f"cancelled, but its job succeeded: {run}")
        return faults

    def _choice(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        return from_item(self._world.random.choice(items))

    def _may_retry(self, item: Mapping[str, Any]) -> bool:
        return item["state"]["S"] == State.CANCELLED and item["run_id"]["S"] not in self._retried

    def _submit(self) -> None:
        key = self._put("submit", {"pipeline": "wordcount", "inputs": "lab/inputs/*", "parameters": {"k": [1, 2]}})
        for name in _SHELF:
            for k in ("1", "2"):
                self._asked.add(_identity("wordcount", name, parameters={"k": k}, request=request_id(key, _VERSION)))

    def _cancel(self, run: Mapping[str, Any]) -> None:
        self._put("cancel", {"runs": [run["run_id"]]})
        self._cancelled.add(run["run_id"])

    def _retry(self, run: Mapping[str, Any]) -> None:
        self._put("retry", {"runs": [run["run_id"]]})
        self._retried.add(run["run_id"])

    def _rerun(self, run: Mapping[str, Any]) -> None:
        mark = request_id(self._put("rerun", {"runs": [run["run_id"]]}), _VERSION)
        bucket, key = keys.split_uri(run["input"])
        self._asked.add(
            run_id(
                group="lab",
                pipeline=run["pipeline"],
                bucket=bucket,
                key=key,
                version_id=run["version_id"],
                parameters=run["parameters"],
                request_id=f"{mark}#{run['run_id']}",
            )
        )

    def _put(self, kind: str, body: Mapping[str, Any]) -> str:
        key = f"lab/submissions/{len(self._retried)}/{self._requests}/{kind}.json"
        self._world.aws.s3.objects[INPUT, key] = json.dumps(body).encode()
        self._world.send(dropped(key)["body"])
        return key


def _identity(pipeline: str, key: str, *, parameters: Mapping[str, str] | None = None, request: str = "") -> str:
    return run_id(
        group="lab",
        pipeline=pipeline,
        bucket=INPUT,
        key=key,
        version_id=_VERSION,
        parameters=parameters,
        request_id=request,
    )
