"""Which waiting job goes where next: queues by priority, shares by use and weight, environments in their order."""

import heapq
from collections import defaultdict

from dropbatch.sandbox.batch.blocked import MAX_RESOURCE, NO_CAPACITY
from dropbatch.sandbox.batch.faults import Faults
from dropbatch.sandbox.batch.model import Job, Status
from dropbatch.sandbox.batch.store import Resource, Store

__all__ = ["Placement"]

_NO_SHARE = ""
_Waiting = tuple[int, int, Job]


class Placement:
    """Jobs that are RUNNABLE, and the vCPUs in use. Every call is made under the store's lock."""

    def __init__(self, store: Store, most_at_once: int, faults: Faults) -> None:
        self._store = store
        self._faults = faults
        self.blocked: dict[str, tuple[Job, str]] = {}
        """By queue ARN: the job at the head that could not be placed even if nothing ran, and why. Of the last look."""
        self._most_at_once = most_at_once
        self._waiting: dict[str, dict[str, list[_Waiting]]] = defaultdict(lambda: defaultdict(list))
        self._arrivals = 0
        self._placed: dict[str, tuple[str, Job]] = {}
        self._used: dict[str, float] = defaultdict(float)
        self._share_used: dict[tuple[str, str], float] = defaultdict(float)

    def add(self, job: Job) -> None:
        """A job became RUNNABLE."""
        self._arrivals += 1
        share = job.template.share_identifier or _NO_SHARE
        waiting = self._waiting[job.queue_arn][share]
        heapq.heappush(waiting, (-job.template.scheduling_priority, self._arrivals, job))

    def release(self, job: Job) -> None:
        """A placed job ended."""
        environment, _ = self._placed.pop(job.id)
        self._used[environment] -= job.template.vcpus
        self._share_used[job.queue_arn, job.template.share_identifier or _NO_SHARE] -= job.template.vcpus

    def choose(self) -> list[tuple[Job, str]]:
        """Place what can be placed now; each job with its compute environment's ARN."""
        chosen: list[tuple[Job, str]] = []
        self.blocked = {}
        for queue in sorted(self._store.queues.values(), key=lambda each: -int(each["priority"])):
            while (share := self._next_share(queue)) is not None:
                waiting = self._waiting[queue["jobQueueArn"]][share]
                job = waiting[0][2]
                environment = self._room_for(job, queue)
                if environment is None and (why := self._obstacle(job, queue)):
                    self.blocked[queue["jobQueueArn"]] = (job, why)
                if environment is None or len(self._placed) >= self._most_at_once:
                    break  # as on AWS, the job at the head of the queue is waited for
                heapq.heappop(waiting)
                self._place(job, environment, share)
                chosen.append((job, environment))
        return chosen

    def _place(self, job: Job, environment: str, share: str) -> None:
        self._placed[job.id] = (environment, job)
        self._used[environment] += job.template.vcpus
        self._share_used[job.queue_arn, share] += job.template.vcpus

    def _next_share(self, queue: Resource) -> str | None:
        """The share that uses least for its weight; of equals, the one that has waited longest."""
        arn = queue["jobQueueArn"]
        best: tuple[float, int, str] | None = None
        for share, waiting in self._waiting[arn].items():
            while waiting and waiting[0][2].status is not Status.RUNNABLE:
                heapq.heappop(waiting)  # cancelled meanwhile
            if waiting:
                use = self._share_used[arn, share] * self._weight(queue, share)
                candidate = (use, waiting[0][1], share)
                best = candidate if best is None else min(best, candidate)
        return best[2] if best else None

    def _weight(self, queue: Resource, share: str) -> float:
        """A lower weight factor means a larger share; without a policy all are equal."""
        arn = queue.get("schedulingPolicyArn")
        policy = self._store.policies.get(self._store.arns.name("scheduling-policy", arn)) if arn else None
        for entry in ((policy or {}).get("fairsharePolicy") or {}).get("shareDistribution") or []:
            pattern = str(entry["shareIdentifier"])
            if pattern == share or (pattern.endswith("*") and share.startswith(pattern[:-1])):
                return float(entry.get("weightFactor") or 1.0)
        return 1.0

    def _room_for(self, job: Job, queue: Resource) -> str | None:
        if self._faults.holds("no-capacity", queue["jobQueueName"]):
            return None
        for arn, most in self._usable(queue):
            if self._used[arn] + job.template.vcpus <= most:
                return arn
        return None

    def _obstacle(self, job: Job, queue: Resource) -> str | None:
        """Why waiting will not help; none when only other jobs are in the way, or a person's switch."""
        usable = self._usable(queue)
        if usable and all(job.template.vcpus > most for _, most in usable):
            return MAX_RESOURCE
        return NO_CAPACITY if usable and self._faults.holds("no-capacity", queue["jobQueueName"]) else None

    def _usable(self, queue: Resource) -> list[tuple[str, float]]:
        """The environments of a queue that may start jobs, in order, each with the most vCPUs it may have."""
        found = []
        for entry in queue["computeEnvironmentOrder"]:
            environment = self._store.environment(entry["computeEnvironment"])
            if environment and environment["state"] == "ENABLED" and environment["status"] == "VALID":
                most = environment.get("computeResources", {}).get("maxvCpus", environment.get("unmanagedvCpus", 0))
                found.append((str(environment["computeEnvironmentArn"]), float(most)))
        return found
