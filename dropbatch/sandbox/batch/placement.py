"""Place waiting jobs: queues by priority, shares by use and weight, environments in the queue's order."""

import heapq
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from dropbatch.contract import batch_reasons
from dropbatch.sandbox.batch.faults import Faults
from dropbatch.sandbox.batch.machines import holds
from dropbatch.sandbox.batch.model import Job, Status
from dropbatch.sandbox.batch.shares import Shares
from dropbatch.sandbox.batch.store import Resource, Store

__all__ = ["Placement"]

_NO_SHARE = ""
_DIGITS = 3  # of vCPUs: a smaller difference in use counts as equal
_Waiting = tuple[int, int, Job]


class Placement:
    """RUNNABLE jobs and the vCPUs in use. Callers hold the store's lock."""

    def __init__(self, store: Store, most_at_once: int, faults: Faults, now: Callable[[], float]) -> None:
        self._store = store
        self._faults = faults
        self.blocked: dict[str, tuple[Job, str]] = {}
        """By queue ARN: the job at the head that could not be placed even if nothing ran, and why. Of the last look."""
        self._most_at_once = most_at_once
        self._waiting: dict[str, dict[str, list[_Waiting]]] = defaultdict(lambda: defaultdict(list))
        self._arrivals = 0
        self._placed: dict[str, tuple[str, Job]] = {}
        self._used: dict[str, float] = defaultdict(float)
        self._shares = Shares(now)

    def add(self, job: Job) -> None:
        """Add a job that became RUNNABLE."""
        self._arrivals += 1
        share = job.template.share_identifier or _NO_SHARE
        waiting = self._waiting[job.queue_arn][share]
        heapq.heappush(waiting, (-job.template.scheduling_priority, self._arrivals, job))

    def release(self, job: Job) -> None:
        """Release the vCPUs of a placed job that ended."""
        environment, _ = self._placed.pop(job.id)
        self._used[environment] -= job.template.vcpus
        self._count(job, -job.template.vcpus)

    def choose(self) -> list[tuple[Job, str]]:
        """Place all jobs that fit now; return each with its compute environment's ARN."""
        chosen: list[tuple[Job, str]] = []
        self.blocked = {}
        for queue in sorted(self._store.queues.values(), key=lambda each: -int(each["priority"])):
            while (share := self._next_share(queue)) is not None:
                waiting = self._waiting[queue["jobQueueArn"]][share]
                job = waiting[0][2]
                environment = self._room_for(job, queue)
                if environment is None and (why := self._obstacle(job, queue)):
                    self.blocked[queue["jobQueueArn"]] = (job, why)
                full = len(self._placed) >= self._most_at_once
                if environment is None or full or self._is_reserved(job, queue):
                    break  # as on AWS, later jobs do not overtake the job at the head of the queue
                heapq.heappop(waiting)
                self._place(job, environment)
                chosen.append((job, environment))
        return chosen

    def _place(self, job: Job, environment: str) -> None:
        self._placed[job.id] = (environment, job)
        self._used[environment] += job.template.vcpus
        self._count(job, job.template.vcpus)

    def _count(self, job: Job, vcpus: float) -> None:
        policy = self._policy(self._store.queue(job.queue_arn) or {})
        share = job.template.share_identifier or _NO_SHARE
        self._shares.add(job.queue_arn, share, vcpus, _decay(policy))

    def _next_share(self, queue: Resource) -> str | None:
        """Return the share with the least use for its weight; among equals, the one that waited longest."""
        arn, policy = queue["jobQueueArn"], self._policy(queue)
        best: tuple[float, int, str] | None = None
        for share, waiting in self._waiting[arn].items():
            while waiting and waiting[0][2].status is not Status.RUNNABLE:
                heapq.heappop(waiting)  # cancelled in the meantime
            if waiting:
                use = self._shares.use(arn, share, _decay(policy)) * _weight(policy, share)
                candidate = (round(use, _DIGITS), waiting[0][1], share)
                best = candidate if best is None else min(best, candidate)
        return best[2] if best else None

    def _is_reserved(self, job: Job, queue: Resource) -> bool:
        """Return whether the needed vCPUs are reserved for inactive shares; an idle queue ignores the reservation."""
        policy, arn = self._policy(queue), queue["jobQueueArn"]
        reservation = int(policy.get("computeReservation") or 0)
        running = self._shares.running(arn)
        if not reservation or not running:
            return False
        waiting = {share for share, jobs in self._waiting[arn].items() if jobs}
        active = waiting.union(self._shares.active(arn, _decay(policy)))
        most = sum(most for _, most in self._usable(queue))
        return bool(running + job.template.vcpus > most * (1 - (reservation / 100) ** len(active)))

    def _policy(self, queue: Resource) -> dict[str, Any]:
        arn = queue.get("schedulingPolicyArn")
        policy = self._store.policies.get(self._store.arns.name("scheduling-policy", arn)) if arn else None
        return (policy or {}).get("fairsharePolicy") or {}

    def _room_for(self, job: Job, queue: Resource) -> str | None:
        if self._faults.holds("no-capacity", queue["jobQueueName"]):
            return None
        for environment, most in self._usable(queue):
            arn = str(environment["computeEnvironmentArn"])
            if self._used[arn] + job.template.vcpus <= most and holds(environment, job.template):
                return arn
        return None

    def _obstacle(self, job: Job, queue: Resource) -> str | None:
        """Return why waiting does not help; None if the job waits for other jobs or for a disabled environment."""
        usable = self._usable(queue)
        wide = [environment for environment, most in usable if job.template.vcpus <= most]
        if usable and not wide:
            return batch_reasons.MAX_VCPUS_TOO_SMALL.example
        if usable and not any(holds(environment, job.template) for environment in wide):
            return batch_reasons.INSUFFICIENT_RESOURCES.example
        if usable and self._faults.holds("no-capacity", queue["jobQueueName"]):
            return batch_reasons.INSUFFICIENT_CAPACITY.example
        return None

    def _usable(self, queue: Resource) -> list[tuple[Resource, float]]:
        """Return the environments of a queue that may start jobs, in order, each with its maximum vCPUs."""
        found = []
        for entry in queue["computeEnvironmentOrder"]:
            environment = self._store.environment(entry["computeEnvironment"])
            # An environment that is being updated accepts jobs, on its new instances.
            if environment and environment["state"] == "ENABLED" and environment["status"] in {"VALID", "UPDATING"}:
                most = environment.get("computeResources", {}).get("maxvCpus", environment.get("unmanagedvCpus", 0))
                found.append((environment, float(most)))
        return found


def _decay(policy: dict[str, Any]) -> float:
    return float(policy.get("shareDecaySeconds") or 0)


def _weight(policy: dict[str, Any], share: str) -> float:
    """Return the weight of a share. A lower factor means a larger share; without a policy all are equal."""
    for entry in policy.get("shareDistribution") or []:
        pattern = str(entry["shareIdentifier"])
        if pattern == share or (pattern.endswith("*") and share.startswith(pattern[:-1])):
            return float(entry.get("weightFactor") or 1.0)
    return 1.0
