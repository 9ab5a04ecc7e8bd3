"""Errors of the sandbox, with a message a person can act on.

SandboxError
├── StartError        the server did not come up
├── WrapError         the installed MiniStack is not the one the wraps were written for
└── TerraformError    Terraform is missing, too old, or failed
"""

__all__ = ["SandboxError", "StartError", "TerraformError", "WrapError"]


class SandboxError(Exception):
    """Something about the sandbox went wrong."""


class StartError(SandboxError):
    """The server did not come up."""


class WrapError(SandboxError):
    """The installed MiniStack is not the one the wraps were written for."""


class TerraformError(SandboxError):
    """Terraform is missing, too old, or failed."""
