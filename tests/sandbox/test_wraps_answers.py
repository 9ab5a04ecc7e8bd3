"""Lost, repeated and missing answers: gaps of MiniStack and their repair."""

import inspect
import json
import socket
from types import SimpleNamespace
from typing import Any

import h11
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypercorn.protocol.h11 import H11Protocol

from dropbatch.sandbox import Sandbox, emulator
from dropbatch.sandbox.wraps.http import wrap_split_answers
from tests.sandbox.batch_stack import Client

TARGET = "AWSBudgetServiceGateway.DescribeBudgets"
NOTICE = {"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": 80.0}
BUDGET = {
    "BudgetName": "repeated",
    "BudgetType": "COST",
    "TimeUnit": "MONTHLY",
    "BudgetLimit": {"Amount": "1", "Unit": "USD"},
}


def signed(sandbox: Sandbox) -> bytes:
    """Return a request as it is sent over the wire."""
    environ = sandbox.environ()
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": TARGET}
    request = AWSRequest(
        "POST", environ["AWS_ENDPOINT_URL"] + "/", data=b'{"AccountId": "000000000000"}', headers=headers
    )
    credentials = Credentials(environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"])
    SigV4Auth(credentials, "budgets", "us-east-1").add_auth(request)
    prepared: Any = request.prepare()
    said = {"Host": environ["AWS_ENDPOINT_URL"].partition("//")[2], **prepared.headers}
    lines = [f"{name}: {value.decode() if isinstance(value, bytes) else value}" for name, value in said.items()]
    return "\r\n".join(["POST / HTTP/1.1", *lines, "", ""]).encode() + bytes(prepared.body)


class Wire:
    """Return the pieces in which hypercorn's protocol sends one answer."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.protocol = SimpleNamespace(connection=h11.Connection(h11.SERVER), send=self.send)
        self.protocol.connection.receive_data(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        self.protocol.connection.next_event()

    async def send(self, event: Any) -> None:
        self.pieces.append(event.data)

    def answer(self, *body: bytes) -> list[bytes]:
        length = str(sum(map(len, body)))
        events = [
            h11.Response(status_code=200, headers=[("content-length", length)]),
            *(h11.Data(data=d) for d in body),
        ]
        for event in [*events, h11.EndOfMessage()]:
            sending = H11Protocol._send_h11_event(self.protocol, event)
            with pytest.raises(StopIteration):
                sending.send(None)
        return [piece for piece in self.pieces if piece]


class TestSplitAnswers:
    def test_head_and_body_of_an_answer_arrive_together(self, sandbox: Sandbox) -> None:
        request, port = signed(sandbox), int(sandbox.layout.port.read_text())

        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            for _ in range(50):
                connection.sendall(request)
                head, _, body = connection.recv(65_536).partition(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200"), head
                assert "Budgets" in json.loads(body)

    @pytest.mark.parametrize(("body", "count"), [((b"{}",), 1), ((b"first ", b"second"), 2), ((), 1)])
    def test_the_first_piece_of_a_body_is_sent_with_the_head(
        self, monkeypatch: pytest.MonkeyPatch, body: tuple[bytes, ...], count: int
    ) -> None:
        monkeypatch.setattr(H11Protocol, "_send_h11_event", H11Protocol._send_h11_event)  # put back afterwards
        wrap_split_answers()

        pieces = Wire().answer(*body)

        assert len(pieces) == count
        assert b"".join(pieces).endswith(b"\r\n\r\n" + b"".join(body))

    @pytest.mark.gap("split_answers")
    def test_gap_plain_hypercorn_answers_in_two_pieces(self) -> None:
        assert len(Wire().answer(b"{}")) == 2


class TestMissingImages:
    def test_a_missing_image_is_reported_as_not_found(self, aws: Client) -> None:
        ecr = aws("ecr")
        ecr.create_repository(repositoryName="missing-images")
        ecr.put_image(repositoryName="missing-images", imageManifest="{}", imageTag="there")

        def described(*tags: str) -> int:
            ids = [{"imageTag": tag} for tag in tags]
            return len(ecr.describe_images(repositoryName="missing-images", imageIds=ids)["imageDetails"])

        assert described("there") == 1
        for tags in (("gone",), ("there", "gone")):
            with pytest.raises(ecr.exceptions.ImageNotFoundException, match='"gone"'):
                described(*tags)

    @pytest.mark.gap("missing_images")
    def test_gap_plain_ministack_says_nothing_about_a_missing_image(self) -> None:
        assert "ImageNotFoundException" not in inspect.getsource(emulator.service("ecr")._describe_images)


class TestRepeatedNotifications:
    def test_a_notification_made_twice_exists_once(self, aws: Client) -> None:
        budgets = aws("budgets")
        budgets.create_budget(AccountId="000000000000", Budget=BUDGET)
        named = {"AccountId": "000000000000", "BudgetName": "repeated"}
        mail = [{"SubscriptionType": "EMAIL", "Address": "lab@example.org"}]

        for _ in range(2):
            budgets.create_notification(**named, Notification=NOTICE, Subscribers=mail)

        assert len(budgets.describe_notifications_for_budget(**named)["Notifications"]) == 1
        other = [{"SubscriptionType": "EMAIL", "Address": "other@example.org"}]
        with pytest.raises(budgets.exceptions.DuplicateRecordException):
            budgets.create_notification(**named, Notification=NOTICE, Subscribers=other)

    @pytest.mark.gap("repeated_notifications")
    def test_gap_plain_ministack_refuses_a_repeated_notification(self) -> None:
        budgets = emulator.service("budgets")
        named = {"BudgetName": "repeated"}
        mail = {"Subscribers": [{"SubscriptionType": "EMAIL", "Address": "lab@example.org"}]}

        with emulator.request_scope("eu-central-1"):
            budgets._create_budget({"Budget": BUDGET})
            answers = [budgets._create_notification({**named, **mail, "Notification": NOTICE}) for _ in range(2)]
            budgets._delete_budget(named)

        assert [status for status, _, _ in answers] == [200, 400]
