"""Read the flag that pauses an environment, with its reason."""

from dataclasses import dataclass

from dropbatch.cli.deployed import Deployed
from dropbatch.cli.errors import AccessError, in_words
from dropbatch.cli.text import age, printable
from dropbatch.contract import ledger

__all__ = ["Pause", "read_pause"]


@dataclass(frozen=True, kw_only=True)
class Pause:
    """A pause of the environment."""

    since: str
    """ISO-8601, in UTC."""
    by: str
    reason: str

    @property
    def words(self) -> str:
        """For people: ``paused 3 h ago by budget: 100 % of …; nothing starts, no run is lost: …``."""
        by = f" by {printable(self.by)}" if self.by else ""
        return (
            f"paused {age(self.since)}{by}: {printable(self.reason) or 'no reason given'}; "
            "nothing starts, no run is lost: operators end the pause with `dropbatch resume`"
        )

    def to_dict(self) -> dict[str, str]:
        """Return plain values for JSON."""
        return {"since": self.since, "by": self.by, "reason": self.reason}


def read_pause(deployed: Deployed) -> Pause | None:
    """Return the pause, or None; also None when the caller may not read it, as in older deployments."""
    key = ledger.to_item({"id": ledger.PAUSED})
    try:
        answer = deployed.dynamodb.get_item(TableName=deployed.description.ledger_table, Key=key)
    except Exception as error:
        if isinstance(in_words(error), AccessError):
            return None
        raise
    if "Item" not in answer:
        return None
    flag = ledger.from_item(answer["Item"])
    return Pause(since=flag.get("since", ""), by=flag.get("by", ""), reason=flag.get("reason", ""))
