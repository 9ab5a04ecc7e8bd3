"""Read the log of a run that has not ended, from CloudWatch Logs."""

from dropbatch.cli.deployed import Deployed
from dropbatch.cli.runs import Run

__all__ = ["LiveLog"]


class LiveLog:
    """Log of a run; every call of `lines` continues where the last one stopped."""

    def __init__(self, deployed: Deployed, run: Run) -> None:
        self.run = run
        """The run as last read; the ledger has its log stream once it is RUNNING."""
        self._deployed = deployed
        self._stream = ""
        self._token = ""

    def lines(self) -> list[str]:
        """Return the lines since the last call; none before the job starts."""
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
            # The same token again means that there are no more lines for now.
            if answer["nextForwardToken"] == self._token or not answer["events"]:
                self._token = answer["nextForwardToken"]
                return lines
            self._token = answer["nextForwardToken"]
