"""Errors of the sandbox; each message says how to fix the cause.

SandboxError
├── StartError        the server did not come up
├── WrapError         the installed MiniStack is not the version that the wraps were written for
└── TerraformError    Terraform is missing, too old, or failed
"""

__all__ = ["SandboxError", "StartError", "TerraformError", "WrapError"]


class SandboxError(Exception):
    """Something about the sandbox went wrong."""


class StartError(SandboxError):
    """The server did not come up."""


class WrapError(SandboxError):
    """The installed MiniStack is not the version that the wraps were written for."""


class TerraformError(SandboxError):
    """Terraform is missing, too old, or failed."""
