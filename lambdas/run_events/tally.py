"""What a mail says of many runs, taken run by run: they may be hundreds of thousands. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from dropbatch.contract.runs import State
from dropbatch.contract.usage import Usage

__all__ = ["LISTED", "Tally"]

LISTED = 50_000
"""Runs that did not succeed of which a list tells one by one."""

_REASONS = 1000  # that are told apart
_OTHER = "for some other reason"
_FIELDS = ("run_id", "state", "pipeline", "input", "phase", "reason", "exit_code", "attempt")

_Run = Mapping[str, Any]


class Tally:
    """Sums over runs, given as RUN items."""

    def __init__(self) -> None:
        self.first: _Run = {}
        """The first of them: group and request are those of all."""
        self.states: Counter[State] = Counter()
        self.pipelines: set[str] = set()
        self.began = ""
        """When the first container started, and the last one stopped; empty for unknown."""
        self.ended = ""
        self.micro_usd = 0
        self.unknown_cost = 0
        """Runs whose cost is not known, and is no part of the sum."""
        self.ran = False
        """Whether any container ran, or may have."""
        self.outputs: dict[str, tuple[str, str]] = {}
        """The least and the greatest URI of results, by pipeline."""
        self.reasons: Counter[str] = Counter()
        self.examples: dict[str, _Run] = {}
        """For each reason the input of a run that did not succeed."""
        self.failures: list[dict[str, Any]] = []
        """What a list tells of those that did not succeed, of the first `LISTED`."""

    @classmethod
    def of(cls, runs: Iterable[_Run]) -> "Tally":
        """Sums over some runs."""
        tally = cls()
        for run in runs:
            tally.add(run)
        return tally

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**vars(self), "pipelines": sorted(self.pipelines)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Tally":
        """Read what `to_dict` gave."""
        tally = cls()
        vars(tally).update(values)
        tally.states = Counter({State(name): count for name, count in values["states"].items()})
        tally.pipelines = set(values["pipelines"])
        tally.outputs = {name: (least, greatest) for name, (least, greatest) in values["outputs"].items()}
        tally.reasons = Counter(values["reasons"])
        return tally

    @property
    def total(self) -> int:
        """How many runs there are."""
        return self.states.total()

    @property
    def succeeded(self) -> int:
        """How many of them succeeded."""
        return self.states[State.SUCCEEDED]

    def add(self, run: _Run) -> None:
        """Count a run that is over."""
        self.first = self.first or run
        state = State(run["state"])
        self.states[state] += 1
        if run["pipeline"]:
            self.pipelines.add(run["pipeline"])
        if began := run.get("started_at"):
            self.began = min(self.began or began, began)
        self.ended = max(self.ended, run.get("stopped_at") or "")
        usage = Usage.from_item(run)
        self.ran = self.ran or usage.vcpu_ms != 0
        self.micro_usd += usage.micro_usd or 0
        self.unknown_cost += usage.micro_usd is None
        if state is State.SUCCEEDED:
            least, greatest = self.outputs.get(run["pipeline"], (run["output"], run["output"]))
            self.outputs[run["pipeline"]] = min(least, run["output"]), max(greatest, run["output"])
        else:
            self._add_failure(run, state)

    def _add_failure(self, run: _Run, state: State) -> None:
        reason = str(run.get("reason") or state.lower())
        if len(self.reasons) >= _REASONS and reason not in self.reasons:
            reason = _OTHER
        self.reasons[reason] += 1
        self.examples.setdefault(reason, {"input": run["input"]})
        if len(self.failures) < LISTED:
            self.failures.append({name: run.get(name) for name in _FIELDS})
