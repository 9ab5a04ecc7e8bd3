"""The sandbox: AWS in one process on this machine, with a Batch that really runs jobs.

`Sandbox` starts and stops it; `dropbatch.sandbox.terraform` deploys into it with the real Terraform.
"""

from dropbatch.sandbox.errors import SandboxError
from dropbatch.sandbox.lifecycle import Endpoint, Progress, Sandbox, Status

__all__ = ["Endpoint", "Progress", "Sandbox", "SandboxError", "Status"]
