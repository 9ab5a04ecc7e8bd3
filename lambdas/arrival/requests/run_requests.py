"""Requests about existing runs: `retry`, `rerun`, `reproduce` and `cancel`."""

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dropbatch.contract import ledger
from dropbatch.contract.batches import MAX_ITEMS
from dropbatch.contract.items import Run, earlier_attempt
from dropbatch.contract.runs import State, request_id, run_id
from dropbatch.contract.suggestions import known_names
from lambdas.arrival.admission import Admitted, Rejected
from lambdas.arrival.dependencies import Dependencies
from lambdas.arrival.quota import Change
from lambdas.arrival.reproducible import Originals, output_beside
from lambdas.arrival.requests.actions import NamedRun, read_runs
from lambdas.arrival.requests.cancel import Canceller, remember
from lambdas.arrival.requests.faults import MAX_FAULTS, Fault, FaultsError
from lambdas.arrival.requests.reproductions import AT_ONCE, Reproducer
from lambdas.common.publisher import Publisher
from lambdas.common.system_messages import Held, RequestStep, held_body
from lambdas.ledger.table import Entry
from lambdas.ledger.transitions import RETRY

if TYPE_CHECKING:
    from lambdas.arrival.quota import Over

__all__ = ["RunRequests"]

log = logging.getLogger("dropbatch")

_AGAIN = (State.FAILED, State.CANCELLED)


class RunRequests:
    """Processes requests about existing runs."""

    def __init__(self, deps: Dependencies, canceller: Canceller, publisher: Publisher) -> None:
        self._deps = deps
        self._ledger = deps.ledger
        self._deployment = deps.deployment
        self._canceller = canceller
        self._originals = Originals(deps)
        self._reproducer = Reproducer(deps)
        self._publisher = publisher

    def process(
        self, step: RequestStep, body: Mapping[str, Any]
    ) -> tuple[list[Admitted | Rejected], list[RequestStep]]:
        """Process up to 100 of the runs. The first step checks all runs of the request; one fault rejects all."""
        limit = self._deployment.max_runs_per_request
        named = read_runs(body, limit=min(AT_ONCE, limit) if step.request == "reproduce" else limit)
        if step.page == 0:
            self._check(step, named)
        part = named[step.page * MAX_ITEMS : (step.page + 1) * MAX_ITEMS]
        runs = self._runs(step, part)
        started: list[Admitted | Rejected] = []
        match step.request:
            case "retry":
                self._retry(step, list(runs.values()))
            case "rerun":
                started += [self._rerun(step, run) for run in runs.values()]
            case "reproduce":
                started += self._reproducer.runs(part, runs, mark=_mark(step))
            case "cancel":
                self._canceller.cancel(list(runs.values()), _mark(step))
        more = (step.page + 1) * MAX_ITEMS < len(named)
        return started, [step._replace(page=step.page + 1)] if more else []

    def _runs(self, step: RequestStep, named: Sequence[NamedRun]) -> dict[str, Run]:
        runs = self._ledger.runs(ledger.run_key(step.group, each.run_id) for each in named)
        return {run.run_id: run for run in runs.values()}

    def _check(self, step: RequestStep, named: Sequence[NamedRun]) -> None:
        runs = self._runs(step, named)
        faults = []
        for each in named:
            reason = self._refusal(step, runs.get(each.run_id))
            if reason:
                faults.append(Fault(place=each.place, text=f"{each.run_id} {reason}"))
            if len(faults) > MAX_FAULTS:
                break
        if faults:
            raise FaultsError(*faults)

    def _refusal(self, step: RequestStep, run: Run | None) -> str | None:
        if run is None:
            return f"is not a run of group {step.group!r}: look it up with dropbatch status"
        if run.state is State.REJECTED and not (step.request == "retry" and run.over_limit):
            return "was rejected and never ran: fix the file and upload it again"
        if step.request == "retry" and not _can_retry(run) and _mark(step) not in run.requests:
            return f"is {run.state}: only failed and cancelled runs can be retried, use rerun.json for a new run"
        if step.request == "reproduce" and run.state != State.SUCCEEDED:
            return f"is {run.state}: only runs that succeeded can be reproduced, use rerun.json or retry.json"
        pipelines = self._deployment.pipelines
        if step.request != "cancel" and run.pipeline not in pipelines:
            known = known_names(run.pipeline, pipelines)
            return f"is a run of pipeline {run.pipeline!r}, which no longer exists: {known}"
        if step.request != "cancel" and step.group not in pipelines[run.pipeline].definitions:
            return (
                f"is a run of {run.pipeline!r}, which is no longer set up for group {step.group!r}: "
                "ask an operator to add it"
            )
        return None

    def _retry(self, step: RequestStep, runs: Sequence[Run]) -> None:
        """Open the next attempt of runs that have ended. They are HELD until they have a job."""
        # A repeated step skips the runs that it has retried already.
        fresh = [run for run in runs if _mark(step) not in run.requests and _can_retry(run)]
        changes = [Change(run, self._next_attempt(step, run)) for run in fresh]
        written, over = self._write(step.group, changes)
        if written:
            self._ask_for_jobs(written)
        if over is not None:
            left = len(changes) - len(written)
            raise FaultsError(Fault(place="runs", text=f"{left} of {len(changes)} are {over.reason(step.group)}"))

    def _write(self, group: str, changes: Sequence[Change]) -> tuple[Sequence[Change], "Over | None"]:
        """Write as many changes as the group's limit allows; also return why the others were not written."""

        def entry(change: Change) -> Entry:
            return {"Update": RETRY.update(self._ledger.table, change.before, change.after)}

        if group not in self._deployment.limits:
            return self._ledger.write_each(changes, entry), None
        from lambdas.arrival.quota import QuotaAdmission  # noqa: PLC0415 - few deployments have limits

        return QuotaAdmission(self._deps, self._publisher).retry(group, changes, entry)

    def _ask_for_jobs(self, written: Sequence[Change]) -> None:
        # If this message is never sent, reconcile finds the runs: they wait for a job that does not exist.
        waiting = [Held(group=run.group, run_id=run.run_id, job_name=run.job_name) for _, run in written]
        self._deps.sqs.send_message(QueueUrl=self._deps.arrival_url, MessageBody=held_body(waiting))
        self._publisher.publish([run for _, run in written])

    def _next_attempt(self, step: RequestStep, run: Run) -> Run:
        """The run at its next attempt, without the fields that describe the end of the last one."""
        attempt = run.attempt + 1
        pools = self._deployment.pipelines[run.pipeline].pools
        over = earlier_attempt(run, "retry on request", reason=run.reason, job_id=run.job_id, tries=run.tries)
        return run._replace(
            state=State.HELD,
            attempt=attempt,
            job_name=f"retry-{run.run_id}.{attempt}",
            pool=run.pool if run.pool in pools else pools[0],
            earlier=(*run.earlier, over),
            requests=remember(run, _mark(step)),
            updated_at=self._ledger.now(),
            pending=True,
            reason="",
            phase="",
            exit_code=None,
            log_tail=(),
            not_started=(),
            output="",
            job_id="",
            log_stream="",
            started_at="",
            stopped_at="",
            tries=0,
            cancel="",
            over_limit="",
        )

    def _rerun(self, step: RequestStep, run: Run) -> Admitted:
        """A new run of the same input with the current program; every request makes a run with another id."""
        spec = run.spec()
        identity = run_id(
            group=spec.group,
            pipeline=spec.pipeline,
            bucket=spec.bucket,
            key=spec.key,
            version_id=spec.version_id,
            parameters=spec.parameters,
            request_id=f"{_mark(step)}#{spec.run_id}",
        )
        pipeline = self._deployment.pipelines[spec.pipeline]
        pool = run.pool if run.pool in pipeline.pools else pipeline.pools[0]
        read_by, objects = self._originals.folder(run) if spec.is_folder else ("", ())
        output = output_beside(run, identity)
        return Admitted(
            run=spec._replace(run_id=identity, attempt=1, output=output, earlier=(), objects=objects),
            definition=pipeline.definitions[spec.group],
            pool=pool,
            queue=self._deployment.pools[pool].queue,
            overrides=run.overrides,
            name=run.name,
            request=_mark(step),
            repeats=read_by or run.run_id,
        )


def _can_retry(run: Run) -> bool:
    return run.state in _AGAIN or bool(run.over_limit)


def _mark(step: RequestStep) -> str:
    return request_id(step.key, step.version_id)
