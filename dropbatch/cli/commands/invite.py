"""``dropbatch invite``."""

import json

import click

from dropbatch.cli.access_keys import make_key
from dropbatch.cli.context import Context

__all__ = ["command"]


@click.command("invite", epilog="\b\nExamples:\n  dropbatch --env prod invite anna\n  dropbatch invite anna --replace")
@click.argument("user")
@click.option("--replace", is_flag=True, help="End the keys that the person has; after a loss, or once in a while.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.pass_obj
def command(context: Context, user: str, replace: bool, as_json: bool) -> None:
    """Make a key for USER, a name among the `users` of a group, and print it.

    This is the only time it is shown: it is kept neither here nor in Terraform's state. Who may do this runs the
    deployment.
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
        f"\nfor {user}, to be handed over so that only they can read it; it is not shown again. They put these lines "
        f"into ~/.aws/credentials, and then: AWS_PROFILE={profile} dropbatch --env {environment} status",
        err=True,
    )
