"""Start held runs with new jobs, and submit prepared jobs again, as messages of the system ask for.

A held run that another invocation has given a job already is skipped.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from dropbatch.contract import ledger
from dropbatch.contract.batches import MAX_ITEMS, chunks
from dropbatch.contract.items import Run
from dropbatch.contract.manifest import RunSpec
from dropbatch.contract.overrides import Overrides
from dropbatch.contract.runs import State
from lambdas.arrival.availability import Availability
from lambdas.arrival.dependencies import Dependencies
from lambdas.arrival.jobs import MAX_ARRAY, Submitter, new_job_name
from lambdas.common.failures import Failures
from lambdas.common.messages import Message
from lambdas.common.system_messages import Held
from lambdas.ledger.jobs import take_lease
from lambdas.ledger.transitions import ASSIGN_JOB

__all__ = ["start_held", "submit_again"]

log = logging.getLogger("dropbatch")


def start_held(
    messages: Mapping[str, Message],
    deps: Dependencies,
    submitter: Submitter,
    availability: Availability,
    failures: Failures,
) -> None:
    """Submit new jobs for the held runs in `messages` (by message id)."""
    lease_until = submitter.lease()
    asked = {held: message_id for message_id, message in messages.items() for held in message.held}
    assignment = _Assignment(deps, availability)
    for part in chunks(asked.items(), MAX_ITEMS):
        if failures.postpone(message_id for _, message_id in part):
            continue
        with failures.collect(*(message_id for _, message_id in part)):
            assignment.add([held for held, _ in part])
    for batch in assignment.batches():
        submitter.start(
            batch.job_name,
            batch.runs,
            definition=batch.kind.definition,
            queue=deps.deployment.pools[batch.kind.pool].queue,
            lease_until=lease_until,
            overrides=batch.kind.overrides,
        )


def submit_again(messages: Mapping[str, Message], deps: Dependencies, submitter: Submitter, failures: Failures) -> None:
    """Submit the prepared jobs in `messages` (by message id)."""
    for message_id, message in messages.items():
        for request in message.resubmit:
            with failures.collect(message_id):
                job = take_lease(deps.ledger, request.job_name, old=request.lease_until, new=submitter.lease())
                if job is not None:
                    submitter.submit(job)


class _Kind(NamedTuple):
    """Job definition, pool and overrides, which all runs of a job share."""

    definition: str
    pool: str
    overrides: Overrides


class _Batch(NamedTuple):
    """Runs for one job."""

    job_name: str
    kind: _Kind
    runs: list[RunSpec]


class _Move(NamedTuple):
    """A held run and the job that it is assigned to."""

    run: Run
    spec: RunSpec
    kind: _Kind
    job_name: str


class _Assignment:
    """Assigns held runs to new jobs within one invocation."""

    def __init__(self, deps: Dependencies, availability: Availability) -> None:
        self._deps = deps
        self._deployment = deps.deployment
        self._availability = availability
        self._batches: dict[str, _Batch] = {}
        self._names: dict[_Kind, tuple[str, int]] = {}

    def add(self, asked: Sequence[Held]) -> None:
        """Assign at most `MAX_ITEMS` runs to jobs of this invocation, unless another invocation has done so."""
        table = self._deps.ledger
        runs = table.runs(ledger.run_key(held.group, held.run_id) for held in asked)
        moves = [move for held in asked if (move := self._move(held, runs)) is not None]
        now = table.now()
        for move in table.write_each(moves, lambda move: {"Update": self._update(move, now)}):
            batch = self._batches.setdefault(move.job_name, _Batch(move.job_name, move.kind, []))
            batch.runs.append(move.spec)

    def batches(self) -> Iterator[_Batch]:
        """Return the jobs to submit."""
        yield from self._batches.values()

    def _update(self, move: _Move, now: str) -> dict[str, object]:
        after = move.run._replace(job_name=move.job_name, pool=move.kind.pool, updated_at=now)
        return ASSIGN_JOB.update(self._deps.ledger.table, move.run, after)

    def _move(self, held: Held, runs: Mapping[str, Run]) -> _Move | None:
        run = runs.get(ledger.run_key(held.group, held.run_id))
        waits = run is not None and run.state is State.HELD and run.job_name == held.job_name
        if run is None or not waits or run.pipeline not in self._deployment.pipelines:
            log.info("held run %s/%s needs nothing: %s", held.group, held.run_id, run.state if run else "no such run")
            return None
        pipeline = self._deployment.pipelines[run.pipeline]
        # A run may be assigned to a pool that its pipeline does not name; then it uses no other.
        named = run.pool in pipeline.pools or run.pool not in self._deployment.pools
        pool = self._availability.choose(pipeline.pools if named else (run.pool,), run.pool)
        if pool is None or run.group not in pipeline.definitions:
            log.info("run %s stays held: its pools have no capacity", run.run_id)
            return None
        spec = self._spec(run._replace(pool=pool))
        if spec is None:
            return None
        kind = _Kind(run.definition or pipeline.definitions[run.group], pool, run.overrides)
        return _Move(run, spec, kind, self._name(kind, run))

    def _spec(self, run: Run) -> RunSpec | None:
        spec = run.spec()
        if not spec.is_folder or (run.attempt == 1 and not run.reproduces and not run.repeats):
            return spec
        # Imported here to keep cold starts short: few runs need earlier records.
        from lambdas.arrival.reproducible import NotReproducibleError, Originals  # noqa: PLC0415

        originals = Originals(self._deps)
        if not run.reproduces:
            _, objects = originals.folder(run)
            return spec._replace(objects=objects)
        try:
            return spec._replace(objects=originals.pins_behind(run).objects)
        except NotReproducibleError as error:
            log.error("run %s stays held: %s", run.run_id, error)
            return None

    def _name(self, kind: _Kind, run: Run) -> str:
        """The name of the run's job; every `MAX_ARRAY` runs of a kind share one."""
        name, count = self._names.get(kind, ("", 0))
        if count % MAX_ARRAY == 0:
            name = new_job_name(run.pipeline, run.group)
        self._names[kind] = (name, count + 1)
        return name
