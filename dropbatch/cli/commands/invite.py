"""``dropbatch invite``."""

import json

import click

from dropbatch.cli.access_keys import make_key
from dropbatch.cli.context import Context

__all__ = ["command"]


@click.command("invite", epilog="\b\nExamples:\n  dropbatch --env prod invite anna\n  dropbatch invite anna --replace")
@click.argument("user")
@click.option(
    "--replace", is_flag=True, help="Delete the person's existing keys first, to rotate a key or after a loss."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def command(context: Context, user: str, replace: bool, as_json: bool) -> None:
    """Create an access key for USER, one of the `users` of a group, and print it.

    It is shown only this once: it is stored neither here nor in Terraform's state. For operators.
    """
    deployed = context.deployed
    environment, region = deployed.description.environment, deployed.description.region
    key = make_key(deployed.new_client("iam"), environment, user, replace=replace)
    profile = f"dropbatch-{environment}"
    if as_json:
        body = {
            "user": key.user,
            "aws_access_key_id": key.key_id,
            "aws_secret_access_key": key.secret,
            "region": region,
        }
        click.echo(json.dumps(body, indent=2))
    else:
        click.echo(key.profile(profile, region))
    click.echo(
        f"\nfor {user}: send it so that only they can read it; it is not shown again. They add these lines to "
        f"~/.aws/credentials and run: AWS_PROFILE={profile} dropbatch --env {environment} status",
        err=True,
    )
