"""Paths of the sandbox's files in ``.dropbatch/sandbox/`` of a checkout."""

import shutil
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Layout"]


@dataclass(frozen=True)
class Layout:
    """The paths below one sandbox directory."""

    directory: Path

    @property
    def lock(self) -> Path:
        """Held while the sandbox is started or stopped."""
        return self.directory / "lock"

    @property
    def deploying(self) -> Path:
        """Held during a deploy or a destroy."""
        return self.directory / "deploying"

    @property
    def secret(self) -> Path:
        """The secret access key, readable by the owner only."""
        return self.directory / "secret_access_key"

    @property
    def port(self) -> Path:
        """The port of the last start, kept so that addresses in the state stay valid."""
        return self.directory / "port"

    @property
    def region(self) -> Path:
        """The region of the last start, which is part of every ARN in the state."""
        return self.directory / "region"

    @property
    def server(self) -> Path:
        """Process id and start mark of the running server."""
        return self.directory / "server.json"

    @property
    def unsaved(self) -> Path:
        """Created when the server starts to serve, removed by a clean stop."""
        return self.directory / "unsaved"

    @property
    def groups(self) -> Path:
        """One file per process group of a running job, or of Terraform, named by its number."""
        return self.directory / "groups"

    @property
    def log(self) -> Path:
        """The server's output."""
        return self.directory / "server.log"

    @property
    def previous_log(self) -> Path:
        """The output of the previous server."""
        return self.directory / "server.previous.log"

    @property
    def state(self) -> Path:
        """Saved state of MiniStack and of the sandbox's Batch."""
        return self.directory / "state"

    @property
    def objects(self) -> Path:
        """The content of S3."""
        return self.directory / "s3"

    @property
    def scratch(self) -> Path:
        """A directory per running job."""
        return self.directory / "scratch"

    @property
    def tmp(self) -> Path:
        """Temporary files of the server and of the Lambda functions."""
        return self.directory / "tmp"

    @property
    def home(self) -> Path:
        """The server's home directory, in place of the user's."""
        return self.directory / "home"

    @property
    def images(self) -> Path:
        """Snapshots of pushed images, one directory per tag."""
        return self.directory / "images"

    @property
    def mail(self) -> Path:
        """Mails that SNS would have sent."""
        return self.directory / "mail"

    @property
    def terraform(self) -> Path:
        """Terraform's working directories and local state, one per environment."""
        return self.directory / "terraform"

    @property
    def aws_config(self) -> Path:
        """A configuration file for AWS clients."""
        return self.directory / "aws_config"

    def discard_state(self) -> None:
        """Delete everything deployed: the services' state, S3's content, mail and Terraform's local state."""
        for path in (self.state, self.objects, self.mail, self.terraform):
            shutil.rmtree(path, ignore_errors=True)

    def discard_running(self) -> None:
        """Remove the files that only a running server needs."""
        for path in (self.scratch, self.tmp, self.groups):
            shutil.rmtree(path, ignore_errors=True)
        self.server.unlink(missing_ok=True)
