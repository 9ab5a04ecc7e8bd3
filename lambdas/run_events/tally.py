"""Sums over the runs of one mail. Runs are added one by one, since there may be hundreds of thousands. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from dropbatch.contract.items import Run
from dropbatch.contract.runs import State

__all__ = ["LISTED", "Tally"]

LISTED = 50_000
"""Maximum number of runs in the list of runs that did not succeed."""

_MAX_REASONS = 1000  # number of reasons that are counted separately
_OTHER = "for some other reason"
_FIELDS = ("run_id", "state", "pipeline", "input", "phase", "reason", "exit_code", "attempt")


class Tally:
    """Sums over runs that have ended."""

    def __init__(self) -> None:
        self.first: Run | None = None
        """The first run; all runs have its group and request."""
        self.states: Counter[State] = Counter()
        self.pipelines: set[str] = set()
        self.began = ""
        """Time when the first container started; empty for unknown."""
        self.ended = ""
        """Time when the last container stopped; empty for unknown."""
        self.micro_usd = 0
        self.unknown_cost = 0
        """Number of runs of unknown cost, which is not in the sum."""
        self.ran = False
        """Whether any container ran, or may have run."""
        self.outputs: dict[str, tuple[str, str]] = {}
        """First and last URI of results in alphabetical order, by pipeline."""
        self.reasons: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        """Input of one run, by reason."""
        self.failures: list[dict[str, Any]] = []
        """The first `LISTED` runs that did not succeed."""

    @classmethod
    def of(cls, runs: Iterable[Run]) -> "Tally":
        """Return the sums over runs."""
        tally = cls()
        for run in runs:
            tally.add(run)
        return tally

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        first = self.first.to_item() if self.first else None
        return {**vars(self), "first": first, "pipelines": sorted(self.pipelines)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Tally":
        """Read the values that `to_dict` returned."""
        tally = cls()
        vars(tally).update(values)
        tally.first = Run.from_item(values["first"]) if values["first"] else None
        tally.states = Counter({State(name): count for name, count in values["states"].items()})
        tally.pipelines = set(values["pipelines"])
        tally.outputs = {name: (least, greatest) for name, (least, greatest) in values["outputs"].items()}
        tally.reasons = Counter(values["reasons"])
        return tally

    @property
    def total(self) -> int:
        """Number of runs."""
        return self.states.total()

    @property
    def succeeded(self) -> int:
        """Number of runs that succeeded."""
        return self.states[State.SUCCEEDED]

    def add(self, run: Run) -> None:
        """Add a run that has ended."""
        self.first = self.first or run
        self.states[run.state] += 1
        if run.pipeline:
            self.pipelines.add(run.pipeline)
        if run.started_at:
            self.began = min(self.began or run.started_at, run.started_at)
        self.ended = max(self.ended, run.stopped_at)
        usage = run.used
        self.ran = self.ran or usage.vcpu_ms != 0
        self.micro_usd += usage.micro_usd or 0
        self.unknown_cost += usage.micro_usd is None
        if run.state is State.SUCCEEDED:
            least, greatest = self.outputs.get(run.pipeline, (run.output, run.output))
            self.outputs[run.pipeline] = min(least, run.output), max(greatest, run.output)
        else:
            self._add_failure(run)

    def _add_failure(self, run: Run) -> None:
        reason = run.reason or run.state.lower()
        if len(self.reasons) >= _MAX_REASONS and reason not in self.reasons:
            reason = _OTHER
        self.reasons[reason] += 1
        self.examples.setdefault(reason, run.input)
        if len(self.failures) < LISTED:
            item = run.to_item()
            self.failures.append({name: item.get(name) for name in _FIELDS})
