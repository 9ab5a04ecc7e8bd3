"""What GitHub gives its workflows: a token that says who they are, for which AWS gives the credentials of a role."""

import base64
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

__all__ = ["Refused", "credentials"]

_NAMES = {
    "AWS_ACCESS_KEY_ID": "AccessKeyId",
    "AWS_SECRET_ACCESS_KEY": "SecretAccessKey",
    "AWS_SESSION_TOKEN": "SessionToken",
}


class Refused(Exception):  # noqa: N818
    """The role does not trust this identity."""


def credentials(environ: Mapping[str, str], role: str, subject: str) -> dict[str, str]:
    """Of a role, as environment variables. The sandbox checks the role's trust, but not the token's signature."""
    claims = {"iss": "https://token.actions.githubusercontent.com", "aud": "sts.amazonaws.com", "sub": subject}
    form = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": f"arn:aws:iam::000000000000:role/{role}",
        "RoleSessionName": "workflow",
        "WebIdentityToken": f"{_part({'alg': 'none'})}.{_part(claims)}.",
    }
    body = urllib.parse.urlencode(form).encode()
    # AWS takes this call unsigned; the sandbox takes no call unsigned.
    url = f"{environ['AWS_ENDPOINT_URL']}/"
    request = AWSRequest("POST", url, data=body)
    request.headers["Content-Type"] = "application/x-www-form-urlencoded"
    owner = Credentials(environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"])
    SigV4Auth(owner, "sts", environ["AWS_REGION"]).add_auth(request)
    asked = urllib.request.Request(url, data=body, headers=dict(request.headers))  # noqa: S310
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=30) as response:
            answer = response.read().decode()
    except urllib.error.HTTPError as error:
        raise Refused(error.read().decode()) from error
    found = {name: re.search(f"<{tag}>(.*?)</{tag}>", answer) for name, tag in _NAMES.items()}
    return {name: match[1] for name, match in found.items() if match is not None}


def _part(value: Mapping[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
