"""Environment variables that direct any AWS client to the sandbox, and nowhere else."""

import os
from collections.abc import Mapping

__all__ = ["IN_THE_WAY", "command_environment", "exports"]

IN_THE_WAY = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
)
"""Variables that would lead clients elsewhere, or break their signatures."""

_ENDPOINTS = "AWS_ENDPOINT_URL_"
_HERE = "127.0.0.1"


def exports(sandbox: Mapping[str, str], caller: Mapping[str, str] = os.environ) -> tuple[list[str], dict[str, str]]:
    """Return variables to unset and to set in a shell with environment `caller`; `sandbox` is `Sandbox.environ()`."""
    unset = [*IN_THE_WAY, *sorted(name for name in caller if name.startswith(_ENDPOINTS))]
    return unset, dict(sandbox) | _without_proxy(caller)


def command_environment(sandbox: Mapping[str, str], caller: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return a command's environment: the caller's, with its AWS settings replaced by the sandbox's."""
    _, variables = exports(sandbox, caller)
    return {name: value for name, value in caller.items() if not name.startswith("AWS_")} | variables


def _without_proxy(caller: Mapping[str, str]) -> dict[str, str]:
    """Exclude this machine from the proxy, if one is configured."""
    if not any(name.lower() in {"http_proxy", "all_proxy"} for name in caller):
        return {}
    found = {name: caller[name] for name in ("NO_PROXY", "no_proxy") if name in caller} or {"NO_PROXY": ""}
    return {
        name: ",".join(filter(None, [value, *({_HERE, "localhost"} - set(value.split(",")))]))
        for name, value in found.items()
    }
