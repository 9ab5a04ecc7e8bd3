"""Move jobs from SUBMITTED to SUCCEEDED or FAILED.

One thread handles all changes (it waits on a condition, without polling); each running job has its own thread, which
waits for its container. All state changes happen in `_move`, under the store's lock.
"""

import heapq
import logging
import os
import threading
import uuid
from collections.abc import Callable
from typing import Any

from dropbatch.contract import batch_reasons
from dropbatch.sandbox.batch.blocked import Heads
from dropbatch.sandbox.batch.clock import Clock
from dropbatch.sandbox.batch.dependencies import Hold, JobDependencies
from dropbatch.sandbox.batch.describe import event_detail
from dropbatch.sandbox.batch.faults import Faults
from dropbatch.sandbox.batch.model import Attempt, Job, Status
from dropbatch.sandbox.batch.placement import Placement
from dropbatch.sandbox.batch.retry import retries
from dropbatch.sandbox.batch.runner import Exit, Runner, Running, StartError, Task
from dropbatch.sandbox.batch.store import Resource, Store
from dropbatch.sandbox.batch.updates import Updates, note_image

__all__ = ["Scheduler"]

_log = logging.getLogger(__name__)

_HOST_TERMINATED = batch_reasons.HOST_TERMINATED.example
_KILL_AFTER_SECONDS = 30.0
_REMEMBER_MS = 7 * 24 * 3600 * 1000
_FORGET_EVERY_MS = 3600 * 1000

Emit = Callable[[str, list[str], dict[str, Any]], None]
"""Takes the type of an event, the ARNs it is about and its detail."""


class _Live:
    """A job between STARTING and its end."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.container: Running | None = None
        self.stop_reason: str | None = None
        self.retry_allowed = True


class Scheduler:
    """Places jobs on compute environments, runs them by `runner` and reports each change by `emit`."""

    def __init__(
        self,
        store: Store,
        runner: Runner,
        emit: Emit,
        *,
        clock: Clock | None = None,
        most_at_once: int | None = None,
        faults: Faults | None = None,
    ) -> None:
        self._store = store
        self._runner = runner
        self._emit = emit
        self._clock = clock or Clock()
        most = most_at_once or max(4, 2 * (os.cpu_count() or 1))
        self._placement = Placement(store, most, faults or Faults(), self._clock.now)
        self._heads = Heads(store)
        self._fresh: list[Job] = []
        self._dependencies = JobDependencies(store)
        self._updates = Updates(store)
        self._live: dict[str, _Live] = {}
        self._deadlines: list[tuple[float, int, Callable[[], None]]] = []
        self._deadline_ids = 0
        self._forget_next = 0
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="batch-scheduler", daemon=True)

    # --- what the API calls, all under the store's lock ------------------------------------------------------------

    def submit(self, job: Job) -> None:
        """Accept a new job, or the parent of an array."""
        self._forget_old()
        self._store.add_job(job)
        job.summary[Status.SUBMITTED] = len(job.children)
        self._report(job)
        for child in job.children:
            self._report(child)
        self._fresh.append(job)
        self._store.changed.notify_all()

    def now_ms(self) -> int:
        """Return Batch's time in milliseconds since 1970."""
        return self._clock.now_ms()

    def cancel(self, job: Job, reason: str) -> None:
        """Cancel `job` if it has not been placed yet."""
        for each in job.children or [job]:
            if not (each.status.ended or each.status.placed):
                each.cancelled = True
                self._end(each, Status.FAILED, reason)
        job.cancelled = True

    def terminate(self, job: Job, reason: str) -> None:
        """End `job` in any state."""
        for each in job.children or [job]:
            if each.status.placed:
                each.terminated = True
                self._stop(each, reason, retry_allowed=False)
            elif not each.status.ended:
                each.terminated = True
                self._end(each, Status.FAILED, reason)
        job.terminated = True

    def environment_changed(self) -> None:
        """Wake the scheduler after a change of an environment, a queue, a fault or the clock."""
        self._store.changed.notify_all()

    def reclaim(self, chosen: Callable[[Job], bool]) -> list[Job]:
        """Terminate the instances of the chosen placed jobs and return these jobs."""
        lives = [live for live in self._live.values() if chosen(live.job)]
        for live in lives:
            live.stop_reason = live.stop_reason or _HOST_TERMINATED
            if live.container:
                live.container.kill()
        return [live.job for live in lives]

    def replace_machines(self, environment: Resource, *, minutes: int) -> None:
        """Place new jobs on new instances; running jobs keep theirs for the given number of minutes.

        AWS does not document the status reason of a job that the update ends. As its instance is terminated, the
        sandbox gives the reason of any terminated instance.
        """
        arn = environment["computeEnvironmentArn"]
        running = [live.job for live in self._live.values() if live.job.current]
        old = self._updates.begin(
            environment, [job.id for job in running if job.current and job.current.environment_arn == arn]
        )
        if minutes:
            self._at(self._clock.now() + minutes * 60, lambda: self._reclaim_old(old))
        else:
            self._reclaim_old(old)

    def _reclaim_old(self, jobs: set[str]) -> None:
        self.reclaim(lambda job: job.id in jobs)

    # --- start and stop --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Load the jobs from the store and start scheduling."""
        with self._store.lock:
            self._updates.forget()
            for job in self._store.jobs.values():
                self._take_up(job)
        self._thread.start()

    def stop(self) -> None:
        """End running jobs as if their instance were lost, so that they can be retried after the next start."""
        with self._store.lock:
            self._stopping = True
            self.reclaim(lambda job: True)
            self._store.changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        with self._store.lock:
            self._store.changed.wait_for(lambda: not self._live, timeout=5)

    def _take_up(self, job: Job) -> None:
        if job.is_array and not job.status.ended:
            if job.status is Status.SUBMITTED:
                self._fresh.append(job)
                return
            for child in job.children:
                self._take_up(child)
        elif job.status is Status.RUNNABLE:
            self._placement.add(job)
        elif job.status in {Status.SUBMITTED, Status.PENDING}:
            self._fresh.append(job)
        elif job.status.placed:  # only if the last stop timed out
            job.current = None
            self._move(job, Status.RUNNABLE, _HOST_TERMINATED)
            self._placement.add(job)

    def _run(self) -> None:
        while True:
            with self._store.lock:
                if self._stopping:
                    return
                try:
                    self._look()
                except Exception:
                    _log.exception("the scheduler failed in one pass")
                if not self._fresh and not self._stopping:
                    self._clock.wait(self._store.changed, self._until_next_deadline())

    def _look(self) -> None:
        while self._deadlines and self._deadlines[0][0] <= self._clock.now():
            heapq.heappop(self._deadlines)[2]()
        while self._fresh:
            fresh, self._fresh = self._fresh, []
            for job in fresh:
                self._admit(job)
        self._place()
        while overdue := self._heads.overdue(self._clock.now()):
            for job, reason in overdue:
                self.cancel(job, reason)
            self._place()

    def _place(self) -> None:
        for job, environment in self._placement.choose():
            self._begin(job, environment)
        arns = self._store.arns
        for job in self._heads.update(self._placement.blocked, self._clock.now()):
            resources = [arns.of("job", job.id), job.queue_arn]
            self._emit("Batch Job Queue Blocked", resources, event_detail(job, arns))

    def _until_next_deadline(self) -> float | None:
        deadlines = [deadline for deadline, _, _ in self._deadlines[:1]]
        if (due := self._heads.next_due()) is not None:
            deadlines.append(due)
        return min(deadlines) - self._clock.now() if deadlines else None

    # --- one job ---------------------------------------------------------------------------------------------------

    def _admit(self, job: Job) -> None:
        """Make a job RUNNABLE when the jobs it depends on have succeeded."""
        if job.status not in {Status.SUBMITTED, Status.PENDING}:
            return
        hold = self._dependencies.hold(job)
        if hold is Hold.FAILED:
            for each in job.children or [job]:
                if not each.status.ended:
                    self._end(each, Status.FAILED, batch_reasons.DEPENDENCY_FAILED.example)
            return
        if job.status is Status.SUBMITTED and (job.is_array or hold is Hold.WAITS):
            self._move(job, Status.PENDING)
        if hold is Hold.FREE:
            for each in job.children:
                self._admit(each)
            if not job.children:
                self._move(job, Status.RUNNABLE)
                self._placement.add(job)

    def _begin(self, job: Job, environment: str) -> None:
        task_id = uuid.uuid4().hex
        arns = self._store.arns
        name = arns.name("compute-environment", environment)
        note_image(self._store.environments[name])
        cluster = f"AWSBatch-{name}"
        job.current = Attempt(
            task_arn=f"arn:aws:ecs:{arns.region}:{arns.account}:task/{cluster}/{task_id}", environment_arn=environment
        )
        task = Task(
            job_id=job.id,
            task_id=task_id,
            attempt=len(job.attempts) + 1,
            index=job.index,
            queue_name=arns.name("job-queue", job.queue_arn),
            environment_name=name,
            definition_name=arns.name("job-definition", job.template.definition_arn).partition(":")[0],
            container=job.template.container,
        )
        live = _Live(job)
        self._live[job.id] = live
        self._move(job, Status.STARTING)
        # The thread that starts a container also waits for it.
        threading.Thread(target=self._carry, args=(live, task), name=f"job-{job.id[:8]}", daemon=True).start()

    def _carry(self, live: _Live, task: Task) -> None:
        job = live.job
        status_reason = batch_reasons.CONTAINER_EXITED.example
        exit_ = Exit(code=None)
        try:
            container = self._runner.start(task)
        except StartError as error:
            exit_, status_reason = Exit(code=None, reason=error.reason), error.status_reason
        except Exception as error:
            _log.exception("job %s could not be started", job.id)
            exit_ = Exit(code=None, reason=f"{batch_reasons.CONTAINER_NOT_STARTED.start} {error}")
            status_reason = batch_reasons.TASK_NOT_STARTED.example
        else:
            with self._store.lock:
                live.container = container
                if live.stop_reason:
                    container.kill()
                self._started(job, task)
            exit_ = container.wait()
        with self._store.lock:
            self._ended(live, exit_, status_reason)

    def _started(self, job: Job, task: Task) -> None:
        assert job.current is not None  # noqa: S101
        job.current.log_stream = self._runner.log_stream(task)
        job.current.started_at = self._clock.now_ms()
        job.started_at = job.current.started_at
        self._move(job, Status.RUNNING)
        if job.template.timeout_seconds:
            attempt = job.current
            self._at(self._clock.now() + job.template.timeout_seconds, lambda: self._time_out(job, attempt))

    def _time_out(self, job: Job, attempt: Attempt) -> None:
        if job.current is attempt:
            self._stop(job, batch_reasons.TIMED_OUT.example, retry_allowed=False)

    def _stop(self, job: Job, reason: str, *, retry_allowed: bool) -> None:
        live = self._live[job.id]
        live.stop_reason, live.retry_allowed = reason, retry_allowed
        if live.container:
            live.container.signal_stop()
            self._at(self._clock.now() + _KILL_AFTER_SECONDS, live.container.kill)
            self._store.changed.notify_all()

    def _ended(self, live: _Live, exit_: Exit, status_reason: str) -> None:
        job, attempt = live.job, live.job.current
        assert attempt is not None  # noqa: S101
        del self._live[job.id]
        self._placement.release(job)
        if live.stop_reason == _HOST_TERMINATED:
            exit_ = Exit(code=None)  # the sandbox was not running when it ended
        attempt.exit_code, attempt.reason = exit_.code, exit_.reason
        attempt.status_reason = live.stop_reason or status_reason
        attempt.stopped_at = self._clock.now_ms()
        job.attempts.append(attempt)
        job.current = None
        self._updates.ended(job.id, attempt.environment_arn)
        if exit_.code == 0 and not live.stop_reason:
            self._end(job, Status.SUCCEEDED, attempt.status_reason)
        elif live.retry_allowed and retries(
            job.template.retry,
            tries=len(job.attempts),
            exit_code=exit_.code,
            reason=exit_.reason or "",
            status_reason=attempt.status_reason,
        ):
            self._move(job, Status.RUNNABLE, attempt.status_reason)
            self._placement.add(job)
        else:
            self._end(job, Status.FAILED, attempt.status_reason)
        self._store.changed.notify_all()

    def _end(self, job: Job, status: Status, reason: str) -> None:
        job.stopped_at = self._clock.now_ms()
        self._move(job, status, reason)
        self._fresh += self._dependencies.pop(job)
        parent = job.parent
        if parent and parent.summary[Status.SUCCEEDED] + parent.summary[Status.FAILED] == len(parent.children):
            failed = parent.summary[Status.FAILED]
            self._end(parent, Status.FAILED if failed else Status.SUCCEEDED, "Array Child Job failed" if failed else "")
        self._store.changed.notify_all()

    def _move(self, job: Job, status: Status, reason: str | None = None) -> None:
        if job.parent:
            job.parent.summary[job.status] -= 1
            job.parent.summary[status] += 1
        job.status = status
        job.status_reason = reason or None
        self._report(job)

    def _report(self, job: Job) -> None:
        arns = self._store.arns
        self._emit("Batch Job State Change", [arns.of("job", job.id)], event_detail(job, arns))

    def _forget_old(self) -> None:
        now = self._clock.now_ms()
        if now >= self._forget_next:
            self._store.forget_jobs(now - _REMEMBER_MS)
            self._forget_next = now + _FORGET_EVERY_MS

    def _at(self, when: float, act: Callable[[], None]) -> None:
        self._deadline_ids += 1
        heapq.heappush(self._deadlines, (when, self._deadline_ids, act))
        self._store.changed.notify_all()
