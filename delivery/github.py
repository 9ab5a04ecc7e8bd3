"""GitHub client of the workflows: outputs and summary of a step, comments and issues of the repository."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from delivery.errors import DeliveryError

__all__ = ["COMMENT_LIMIT", "Repository", "add_to_summary", "cut", "set_outputs"]

COMMENT_LIMIT = 65_536
"""Characters in a comment or the text of an issue."""

_SUMMARY_LIMIT = 1_000_000
"""Bytes that a step may add to the summary (GitHub allows 1 MiB)."""

_PAGE = 100

_OURSELVES = "github-actions[bot]"
"""Author of texts written with a workflow's token. Texts of other authors are ignored, even with our marker."""


def set_outputs(env: Mapping[str, str], **values: str) -> None:
    """Set outputs of the workflow's step; outside GitHub, do nothing."""
    if env.get("GITHUB_OUTPUT"):
        with Path(env["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as file:
            for name, value in values.items():
                if "\n" in value:
                    raise ValueError(f"output {name}: one line, got {value!r}")
                file.write(f"{name}={value}\n")


def add_to_summary(env: Mapping[str, str], text: str) -> None:
    """Add Markdown to the workflow's summary; outside GitHub, print it."""
    if env.get("GITHUB_STEP_SUMMARY"):
        with Path(env["GITHUB_STEP_SUMMARY"]).open("a", encoding="utf-8") as file:
            file.write(cut(text, _SUMMARY_LIMIT // 4) + "\n")  # a character takes at most four bytes
    else:
        print(text)


def cut(text: str, limit: int) -> str:
    """Shorten Markdown to `limit` characters: close the open code block and details, and add a note."""
    if len(text) <= limit:
        return text
    end = "\n```\n</details>\n\n…the rest is in the log of the workflow.\n"
    return text[: limit - len(end)] + end


class Repository:
    """Comments and issues of a repository, through GitHub's REST API. `token` needs write permission for them."""

    def __init__(self, *, api: str, name: str, token: str) -> None:
        self._base = f"{api}/repos/{name}"
        self._token = token

    @classmethod
    def of(cls, env: Mapping[str, str]) -> "Repository":
        """Return the repository of the running workflow.

        Raises:
            DeliveryError: an environment variable is missing.
        """
        missing = [name for name in ("GITHUB_API_URL", "GITHUB_REPOSITORY", "GITHUB_TOKEN") if not env.get(name)]
        if missing:
            raise DeliveryError(f"{', '.join(missing)}: not set: this is a step of a workflow on GitHub")
        return cls(api=env["GITHUB_API_URL"], name=env["GITHUB_REPOSITORY"], token=env["GITHUB_TOKEN"])

    def put_comment(self, number: int, marker: str, body: str) -> None:
        """Create or update the comment with `marker` on an issue or pull request."""
        body = cut(f"{marker}\n{body}", COMMENT_LIMIT)
        for comment in self._pages(f"/issues/{number}/comments"):
            if _ours(comment, marker):
                if comment["body"] != body:
                    self._call("PATCH", f"/issues/comments/{comment['id']}", {"body": body})
                return
        self._call("POST", f"/issues/{number}/comments", {"body": body})

    def find_issue(self, marker: str) -> dict[str, Any] | None:
        """Return our open issue whose text begins with `marker`, whatever its labels."""
        return next((issue for issue in self._pages("/issues", state="open") if _ours(issue, marker)), None)

    def put_issue(self, label: str, marker: str, title: str, body: str) -> str:
        """Open or update the issue with `marker`, and return its URL."""
        body = cut(f"{marker}\n{body}", COMMENT_LIMIT)
        found = self.find_issue(marker)
        if found is None:
            found = self._call("POST", "/issues", {"title": title, "body": body, "labels": [label]})
        elif (found["title"], found["body"]) != (title, body):
            self._call("PATCH", f"/issues/{found['number']}", {"title": title, "body": body})
        return str(found["html_url"])

    def close_issue(self, marker: str, why: str) -> str | None:
        """Close the open issue with `marker`, if any, with the comment `why`, and return its URL."""
        found = self.find_issue(marker)
        if found is None:
            return None
        self._call("POST", f"/issues/{found['number']}/comments", {"body": why})
        self._call("PATCH", f"/issues/{found['number']}", {"state": "closed", "state_reason": "completed"})
        return str(found["html_url"])

    def _pages(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        page = 1
        while True:
            asked = urllib.parse.urlencode({**query, "per_page": _PAGE, "page": page})
            found = self._call("GET", f"{path}?{asked}")
            yield from found
            if len(found) < _PAGE:
                return
            page += 1

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 -- the address is GitHub's own, from the workflow
            self._base + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/json",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
                return json.load(response)
        except urllib.error.HTTPError as error:
            said = error.read().decode("utf-8", "replace")[:300]
            raise DeliveryError(
                f"GitHub refused {method} {path.partition('?')[0]}: {error.code} {said}: "
                "see the job's permissions in the workflow"
            ) from error
        except OSError as error:
            raise DeliveryError(f"GitHub cannot be reached: {error}: run the job again") from error


def _ours(text: Mapping[str, Any], marker: str) -> bool:
    return text["user"]["login"] == _OURSELVES and (text["body"] or "").startswith(marker)
