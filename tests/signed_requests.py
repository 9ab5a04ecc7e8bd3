"""Signed requests as the AWS provider sends them, where boto3 uses another protocol or other credentials."""

import urllib.parse
import urllib.request
from collections.abc import Mapping

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


def post(environ: Mapping[str, str], service: str, **form: str) -> str:
    """Post a form, signed with the credentials in `environ`, and return the answer.

    Raises:
        urllib.error.HTTPError: it was refused.
    """
    keys = (environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], environ.get("AWS_SESSION_TOKEN"))
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    body = urllib.parse.urlencode(form)
    url = environ["AWS_ENDPOINT_URL"] + "/"
    request = AWSRequest("POST", url, headers=headers, data=body)
    SigV4Auth(Credentials(*keys), service, environ["AWS_REGION"]).add_auth(request)
    plain = urllib.request.Request(url, data=body.encode(), headers=dict(request.headers))  # noqa: S310
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(plain) as answer:
        text: bytes = answer.read()
    return text.decode()
