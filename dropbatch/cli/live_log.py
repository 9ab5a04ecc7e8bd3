"""The log of a run that has not ended, from CloudWatch Logs."""

from dropbatch.cli.deployed import Deployed
from dropbatch.cli.runs import Run

__all__ = ["LiveLog"]


class LiveLog:
    """Reads on where it stopped the last time."""

    def __init__(self, deployed: Deployed, run: Run) -> None:
        self.run = run
        """The run, as last seen; the ledger learns of its log stream when it is RUNNING."""
        self._deployed = deployed
        self._stream = ""
        self._token = ""

    def lines(self) -> list[str]:
        """New lines since the last call; none while the job has not started."""
        if not self._stream:
            self._stream = self.run.item.get("log_stream", "")
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
