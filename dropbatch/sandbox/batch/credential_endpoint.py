"""HTTP endpoint for credentials of jobs in containers, like that of ECS's agent."""

import hmac
import secrets
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

from dropbatch.sandbox.batch import credentials
from dropbatch.sandbox.batch.runner import Task

__all__ = ["PATH", "CredentialEndpoint"]

PATH = "/_dropbatch/credentials/"
_LIFE = timedelta(hours=6)


class CredentialEndpoint:
    """Return a role's credentials to the task that presents its secret token."""

    def __init__(self, endpoint_url: str) -> None:
        self._endpoint_url = endpoint_url
        self._lock = threading.Lock()
        self._tasks: dict[str, tuple[str, str, dict[str, str]]] = {}

    def open(self, task: Task) -> dict[str, str]:
        """Register a task and return the variables that direct AWS clients here; empty without a role."""
        keys = credentials.issue(task)
        if not keys:
            return {}
        token = secrets.token_urlsafe(30)
        with self._lock:
            self._tasks[task.task_id] = (token, str(task.container["jobRoleArn"]), keys)
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{self._endpoint_url}{PATH}{task.task_id}",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": token,
        }

    def close(self, task: Task) -> None:
        """Revoke the credentials of a task that has ended."""
        with self._lock:
            _, _, keys = self._tasks.pop(task.task_id, ("", "", {}))
        credentials.revoke(keys)

    def answer(self, task_id: str, authorization: bytes) -> tuple[int, dict[str, Any]]:
        """Return status and JSON for a request."""
        with self._lock:
            token, role, keys = self._tasks.get(task_id, ("", "", {}))
        if not token or not hmac.compare_digest(token.encode(), authorization):
            return 401, {"code": "AuthorizationError", "message": "no such task, or not its token"}
        return 200, {
            "RoleArn": role,
            "AccessKeyId": keys["AWS_ACCESS_KEY_ID"],
            "SecretAccessKey": keys["AWS_SECRET_ACCESS_KEY"],
            "Token": keys["AWS_SESSION_TOKEN"],
            "Expiration": (datetime.now(UTC) + _LIFE).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
