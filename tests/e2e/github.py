"""GitHub's workflows as AWS sees them: an identity token, and the credentials a role gives for it."""

import base64
import json
import re
from collections.abc import Mapping

from tests.signed_requests import post

SUBJECTS = {
    "dropbatch-plan": "repo:lab/dropbatch:pull_request",
    "dropbatch-deploy-sandbox": "repo:lab/dropbatch:environment:sandbox",
    "dropbatch-deploy-prod": "repo:lab/dropbatch:environment:prod",
    "dropbatch-deploy-full": "repo:lab/dropbatch:environment:full",
}
"""Roles of the bootstrap stack, each with a workflow that may assume it."""


def credentials(
    environ: Mapping[str, str], role: str, subject: str = "", audience: str = "sts.amazonaws.com"
) -> dict[str, str]:
    """Return variables with credentials of ``dropbatch-<role>``, as a workflow of `subject` receives them.

    Raises:
        urllib.error.HTTPError: the role does not trust that workflow.
    """
    name = f"dropbatch-{role}"
    text = post(
        environ,
        "sts",
        Action="AssumeRoleWithWebIdentity",
        Version="2011-06-15",
        RoleArn=f"arn:aws:iam::000000000000:role/{name}",
        RoleSessionName="workflow",
        WebIdentityToken=_token(subject or SUBJECTS[name], audience),
    )
    wanted = {"ACCESS_KEY_ID": "AccessKeyId", "SECRET_ACCESS_KEY": "SecretAccessKey", "SESSION_TOKEN": "SessionToken"}
    found = {each: re.search(f"<{tag}>([^<]+)", text) for each, tag in wanted.items()}
    return {f"AWS_{each}": match[1] for each, match in found.items() if match}


def _token(subject: str, audience: str) -> str:
    """Return a token that names the caller. The sandbox does not check its signature."""
    claims = {"iss": "https://token.actions.githubusercontent.com", "aud": audience, "sub": subject}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in ({"alg": "none"}, claims)]
    return ".".join([*(part.decode() for part in parts), "unsigned"])
