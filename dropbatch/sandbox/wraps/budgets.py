"""A wrap of Budgets."""

from http import HTTPStatus
from typing import Any

from dropbatch.sandbox import emulator
from dropbatch.sandbox.emulator import expected

__all__ = ["wrap_repeated_notifications"]


def wrap_repeated_notifications() -> None:
    """Accept a repeated notification with the same subscribers; the provider repeats it after a lost response.

    AWS and MiniStack refuse it. Accepting it here avoids a second apply by hand.
    """
    budgets = emulator.service("budgets")
    original = expected(budgets, "_create_notification", "(data)")

    def create_notification(data: Any) -> Any:
        answer = original(data)
        if answer[0] == HTTPStatus.BAD_REQUEST and b"DuplicateRecordException" in answer[2]:
            there = budgets._find_notification_entry(data["BudgetName"], data["Notification"])
            if there and there["subscribers"] == data["Subscribers"]:
                return budgets._json(HTTPStatus.OK, {})
        return answer

    budgets._create_notification = create_notification
    budgets._DISPATCH["CreateNotification"] = create_notification
