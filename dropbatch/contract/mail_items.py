"""Items of the ledger for mails that are due.

| type             | id                                  | purpose                                              |
| ---------------- | ----------------------------------- | ---------------------------------------------------- |
| `MailWindow`     | ``<group>#mail#<window>``           | runs that are reported in one mail                   |
| `LimitNotice`    | ``<group>#mail#limit-<yyyy-mm-dd>`` | a daily mail about runs over a group's limit         |
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from dropbatch.contract import ledger

__all__ = ["LimitNotice", "MailWindow", "read_mail"]

_LIMIT = "limit-"


class MailWindow(NamedTuple):
    """Runs that are reported in one mail: those of one request, or of files dropped within some minutes."""

    group: str
    window: str
    """Identity of the request, or the start time of the window."""
    request: str
    """Key of the request file; empty for dropped files."""
    start: str
    """Earliest possible creation time of its runs."""
    until: str
    """End of the window, for dropped files."""
    updated_at: str
    """Time from which the mail is due."""
    mailed: str = ""
    """Id of a run that already had its own mail, because it ended when it was the only run of the window."""
    pending: bool = True
    """Whether the mail has not been sent yet."""

    @property
    def id(self) -> str:
        """Id of the item."""
        return ledger.mail_key(self.group, self.window)

    def to_item(self) -> dict[str, Any]:
        """Return the plain values of the item."""
        values = self._asdict()
        values["from"] = values.pop("start")
        return {"id": self.id, **_pending_mail(values)}

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "MailWindow":
        """Read the plain values of an item."""
        values = {name: item[name] for name in cls._fields if name in item}
        return cls(**values, start=item["from"], pending="unfinished" in item)


class LimitNotice(NamedTuple):
    """A mail to a group's contacts about runs that its monthly limit rejected; at most one a day."""

    group: str
    day: str
    """``yyyy-mm-dd``."""
    month: str
    limit: str
    """Text with the unit, for example ``10.00 vCPU-hours``."""
    remaining: str
    """Text with the unit."""
    reason: str
    updated_at: str
    pending: bool = True

    @property
    def id(self) -> str:
        """Id of the item."""
        return ledger.mail_key(self.group, f"{_LIMIT}{self.day}")

    def to_item(self) -> dict[str, Any]:
        """Return the plain values of the item."""
        values = self._asdict()
        del values["day"]
        return {"id": self.id, "kind": "limit", **_pending_mail(values)}

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "LimitNotice":
        """Read the plain values of an item."""
        values = {name: item[name] for name in cls._fields if name in item}
        day = item["id"].removeprefix(ledger.mail_key(item["group"], _LIMIT))
        return cls(**values, day=day, pending="unfinished" in item)


def read_mail(item: Mapping[str, Any]) -> MailWindow | LimitNotice:
    """Return the mail window or limit notice of an item's plain values."""
    return LimitNotice.from_item(item) if item.get("kind") == "limit" else MailWindow.from_item(item)


def _pending_mail(values: dict[str, Any]) -> dict[str, Any]:
    if values.pop("pending"):
        values["unfinished"] = ledger.MAILS
    return {name: value for name, value in values.items() if name != "mailed" or value}
