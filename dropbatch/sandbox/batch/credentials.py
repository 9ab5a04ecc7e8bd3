"""Temporary credentials of a job's role, as ECS provides them to a task."""

import base64
import json
import secrets
from typing import Any

from dropbatch.sandbox import emulator
from dropbatch.sandbox.batch.runner import StartError, Task

__all__ = ["issue", "revoke"]

_TASKS = "ecs-tasks.amazonaws.com"


def issue(task: Task) -> dict[str, str]:
    """Return environment variables with credentials of the task's role; empty without a role.

    Raise `StartError` with ECS's message if the role does not exist or does not trust ECS tasks.
    """
    role_arn = str(task.container.get("jobRoleArn") or "")
    if not role_arn:
        return {}
    role_name = role_arn.rsplit("/", 1)[-1]
    role = emulator.service("iam")._roles.get_scoped(emulator.ACCOUNT, None, role_name)
    if role is None or not _trusts_tasks(role.get("AssumeRolePolicyDocument")):
        raise StartError(
            status_reason=(
                f"ECS was unable to assume the role '{role_arn}' that was provided for this task. Please verify that "
                "the role being passed has the proper trust relationship and permissions and that your IAM user has "
                "permissions to pass this role."
            )
        )
    key = "ASIA" + base64.b32encode(secrets.token_bytes(10)).decode()
    session = {
        "Arn": f"arn:aws:sts::{emulator.ACCOUNT}:assumed-role/{role_name}/{task.task_id}",
        "UserId": f"{role.get('RoleId', role_name)}:{task.task_id}",
        "SecretAccessKey": secrets.token_urlsafe(30),
        "SessionToken": secrets.token_urlsafe(60),
    }
    emulator.service("sts").register_session(key, session)
    return {
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
        "AWS_SESSION_TOKEN": session["SessionToken"],
    }


def revoke(variables: dict[str, str]) -> None:
    """End the session of these credentials after the task has ended."""
    emulator.service("sts")._sessions.pop(variables.get("AWS_ACCESS_KEY_ID"), None)


def _trusts_tasks(document: Any) -> bool:
    try:
        policy = json.loads(document) if isinstance(document, str) else document
    except ValueError:
        return False
    statements = (policy or {}).get("Statement") or []
    for statement in [statements] if isinstance(statements, dict) else statements:
        principal = statement.get("Principal") or {}
        services = principal.get("Service") or [] if isinstance(principal, dict) else []
        actions = statement.get("Action") or []
        names = [services] if isinstance(services, str) else services
        verbs = [actions] if isinstance(actions, str) else actions
        if statement.get("Effect") == "Allow" and _TASKS in names and {"sts:AssumeRole", "sts:*", "*"} & set(verbs):
            return True
    return False
