"""The log of a run that has not ended, from CloudWatch Logs."""

from dropbatch.cli.deployed import Deployed
from dropbatch.cli.runs import Run

__all__ = ["LiveLog"]


class LiveLog:
    """Reads on where it stopped the last time."""

    def __init__(self, deployed: Deployed, run: Run) -> None:
        self.run = run
        """The run, as last seen; it has no job before it is SUBMITTED."""
        self._deployed = deployed
        self._stream = ""
        self._token = ""

    def lines(self) -> list[str]:
        """New lines since the last call; none while the job has not started."""
        if not self._stream:
            self._stream = self._find_stream()
        if not self._stream:
            return []
        logs = self._deployed.logs
        lines: list[str] = []
        while True:
            try:
                answer = logs.get_log_events(
                    logGroupName=self._deployed.description.log_group,
                    logStreamName=self._stream,
                    startFromHead=True,
                    **({"nextToken": self._token} if self._token else {}),  # type: ignore[arg-type]
                )
            except logs.exceptions.ResourceNotFoundException:
                return lines
            lines += [event["message"] for event in answer["events"]]
            # The same token again means: nothing more for now.
            if answer["nextForwardToken"] == self._token or not answer["events"]:
                self._token = answer["nextForwardToken"]
                return lines
            self._token = answer["nextForwardToken"]

    def _find_stream(self) -> str:
        if not self.run.job_id:
            return ""
        jobs = self._deployed.batch.describe_jobs(jobs=[self.run.job_id])["jobs"]
        return jobs[0].get("container", {}).get("logStreamName", "") if jobs else ""
