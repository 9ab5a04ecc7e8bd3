"""Items of the ledger about mails that are to be sent.

| type             | id                                  | purpose                                              |
| ---------------- | ----------------------------------- | ---------------------------------------------------- |
| `MailWindow`     | ``<group>#mail#<window>``           | runs that one mail reports together                  |
| `LimitNotice`    | ``<group>#mail#limit-<yyyy-mm-dd>`` | a mail about runs over a group's limit, once a day   |
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from dropbatch.contract import ledger

__all__ = ["LimitNotice", "MailWindow", "read_mail"]

_LIMIT = "limit-"


class MailWindow(NamedTuple):
    """Runs that one mail reports: those of a request, or those dropped within some minutes."""

    group: str
    window: str
    """Identity of the request, or the time at which the minutes began."""
    request: str
    """Key of the request file; empty for dropped files."""
    start: str
    """No run of the window was created before."""
    until: str
    updated_at: str
    """Time from which the mail is due."""
    mailed: str = ""
    """Run that was alone in the window and was mailed at its end."""
    pending: bool = True
    """Whether the mail is still to be sent."""

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
    """A mail to a group's contacts: some runs were over the limit. One a day."""

    group: str
    day: str
    """``yyyy-mm-dd``."""
    month: str
    limit: str
    """In words, with its unit, like `remaining`."""
    remaining: str
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
    """Read the plain values of an item of either kind."""
    return LimitNotice.from_item(item) if item.get("kind") == "limit" else MailWindow.from_item(item)


def _pending_mail(values: dict[str, Any]) -> dict[str, Any]:
    if values.pop("pending"):
        values["unfinished"] = ledger.MAILS
    return {name: value for name, value in values.items() if name != "mailed" or value}
