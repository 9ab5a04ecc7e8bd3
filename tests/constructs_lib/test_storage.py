import json
from typing import Any

import pytest

from constructs_lib.bucket import Bucket, BucketProps
from constructs_lib.existing_bucket import ExistingBucket, ExistingBucketProps
from constructs_lib.ledger import Ledger, LedgerProps
from constructs_lib.queue import Queue, QueueProps
from constructs_lib.registry import Registry, RegistryProps
from constructs_lib.role import Role, RoleProps
from tests.constructs_lib.synthesis import Stack, statement, statements, synthesize


def bucket(scope, site) -> Bucket:
    return Bucket(scope, "Inputs", BucketProps(site=site, purpose="input", abort_uploads_days=3))


def queue(scope, site) -> Queue:
    return Queue(scope, "Arrivals", QueueProps(site=site, name="arrivals", visibility_seconds=720))


def role(scope) -> Role:
    return Role(scope, "Role", RoleProps(name="reader", service="lambda.amazonaws.com", description="test"))


class TestBucket:
    @pytest.fixture(scope="class")
    @classmethod
    def stack(cls) -> Stack:
        return synthesize(bucket)

    def test_keeps_every_version(self, stack: Stack) -> None:
        assert stack.one("aws_s3_bucket_versioning")["versioning_configuration"] == {"status": "Enabled"}

    def test_is_encrypted(self, stack: Stack) -> None:
        (rule,) = stack.one("aws_s3_bucket_server_side_encryption_configuration")["rule"]
        assert rule["apply_server_side_encryption_by_default"] == {"sse_algorithm": "AES256"}

    def test_is_closed_to_the_public(self, stack: Stack) -> None:
        block = stack.one("aws_s3_bucket_public_access_block")
        names = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
        assert all(block[name] is True for name in names)
        assert stack.one("aws_s3_bucket_ownership_controls")["rule"] == {"object_ownership": "BucketOwnerEnforced"}

    def test_refuses_plain_http(self, stack: Stack) -> None:
        (refused,) = statements(stack.one("aws_s3_bucket_policy")["policy"])
        arn = f"${{{stack.address('aws_s3_bucket')}.arn}}"
        assert (refused["Effect"], refused["Principal"], refused["Action"]) == ("Deny", "*", ["s3:*"])
        assert refused["Resource"] == [arn, f"{arn}/*"]
        assert refused["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}

    def test_removes_uploads_that_never_completed(self, stack: Stack) -> None:
        (rule,) = stack.one("aws_s3_bucket_lifecycle_configuration")["rule"]
        assert rule["abort_incomplete_multipart_upload"] == [{"days_after_initiation": 3}]
        assert rule["status"] == "Enabled"

    def test_has_a_name_that_s3_makes_unique(self, stack: Stack) -> None:
        assert stack.one("aws_s3_bucket")["bucket_prefix"] == "dropbatch-test-input-"

    @pytest.mark.parametrize("disposable", [True, False])
    def test_is_emptied_by_destroy_only_when_disposable(self, disposable: bool) -> None:
        assert synthesize(bucket, disposable=disposable).one("aws_s3_bucket")["force_destroy"] is disposable

    def test_grant_names_actions_and_prefixes(self) -> None:
        stack = synthesize(
            lambda scope, site: bucket(scope, site).grant(
                role(scope), "Read", ["GetObject", "GetObjectVersion"], "lab/wordcount/", "*/_run.json"
            )
        )
        found = statement(stack.rights("reader"), "Read")
        arn = f"${{{stack.address('aws_s3_bucket')}.arn}}"
        assert found["Action"] == ["s3:GetObject", "s3:GetObjectVersion"]
        assert found["Resource"] == [f"{arn}/lab/wordcount/*", f"{arn}/*/_run.json"]


class TestBucketByChoice:
    KEY = "arn:aws:kms:eu-central-1:123456789012:key/k"

    def test_a_customers_key_encrypts_it_and_grants_include_the_key(self) -> None:
        def build(scope, site) -> None:
            made = Bucket(scope, "Outputs", BucketProps(site=site, purpose="output", kms_key_arn=self.KEY))
            made.grant(role(scope), "Write", ["PutObject"], "lab/")

        stack = synthesize(build)

        (rule,) = stack.one("aws_s3_bucket_server_side_encryption_configuration")["rule"]
        assert rule["apply_server_side_encryption_by_default"] == {
            "sse_algorithm": "aws:kms",
            "kms_master_key_id": self.KEY,
        }
        assert rule["bucket_key_enabled"] is True
        grant = statement(stack.rights("reader"), "UseKeyToWrite")
        assert grant["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
        assert grant["Condition"] == {"StringEquals": {"kms:ViaService": "s3.eu-central-1.amazonaws.com"}}

    def test_inputs_expire_with_their_versions(self) -> None:
        props: dict[str, Any] = {"purpose": "input", "expire_days": 9}
        stack = synthesize(lambda scope, site: Bucket(scope, "Inputs", BucketProps(site=site, **props)))
        rules = {each["id"]: each for each in stack.one("aws_s3_bucket_lifecycle_configuration")["rule"]}
        assert set(rules) == {"abort-uploads", "expire"}
        assert rules["expire"]["expiration"] == [{"days": 9}]
        assert rules["expire"]["noncurrent_version_expiration"] == [{"noncurrent_days": 9}]

    def test_larger_results_move_to_the_archive(self) -> None:
        props: dict[str, Any] = {"purpose": "output", "archive_days": 30, "archive_class": "DEEP_ARCHIVE"}
        stack = synthesize(lambda scope, site: Bucket(scope, "Outputs", BucketProps(site=site, **props)))
        rules = {each["id"]: each for each in stack.one("aws_s3_bucket_lifecycle_configuration")["rule"]}
        assert rules["archive"]["transition"] == [{"days": 30, "storage_class": "DEEP_ARCHIVE"}]
        assert rules["archive"]["filter"] == [{"object_size_greater_than": 131_071}]

    def test_an_existing_bucket_is_subscribed_to_and_not_changed(self) -> None:
        def build(scope, site) -> None:
            existing = ExistingBucket(scope, "Inputs", ExistingBucketProps(site=site, name="labdata"))
            existing.notify(queue(scope, site))
            existing.grant(role(scope), "Read", ["GetObject"], "lab/")

        stack = synthesize(build)

        assert not [each for each in stack.types() if each.startswith("aws_s3_")]
        rule = stack.one("aws_cloudwatch_event_rule")
        assert json.loads(rule["event_pattern"]) == {
            "source": ["aws.s3"],
            "detail-type": ["Object Created"],
            "detail": {"bucket": {"name": ["labdata"]}},
        }
        allowed = statement(statements(stack.one("aws_sqs_queue", name="dropbatch-test-arrivals")["policy"]), "Sender")
        assert allowed["Principal"] == {"Service": "events.amazonaws.com"}
        assert statement(stack.rights("reader"), "Read")["Resource"][0].endswith(":s3:::labdata/lab/*")


class TestNotification:
    @pytest.fixture(scope="class")
    @classmethod
    def stack(cls) -> Stack:
        return synthesize(lambda scope, site: bucket(scope, site).notify(queue(scope, site)))

    def test_sends_every_creation_to_the_queue(self, stack: Stack) -> None:
        (target,) = stack.one("aws_s3_bucket_notification")["queue"]
        address = stack.address("aws_sqs_queue", name="dropbatch-test-arrivals")
        assert target["events"] == ["s3:ObjectCreated:*"]
        assert target["queue_arn"] == f"${{{address}.arn}}"

    def test_only_this_bucket_of_this_account_may_send(self, stack: Stack) -> None:
        allowed = statement(statements(stack.one("aws_sqs_queue", name="dropbatch-test-arrivals")["policy"]), "Sender")
        assert allowed["Principal"] == {"Service": "s3.amazonaws.com"}
        assert allowed["Action"] == ["sqs:SendMessage"]
        assert allowed["Condition"] == {
            "ArnEquals": {"aws:SourceArn": f"${{{stack.address('aws_s3_bucket')}.arn}}"},
            "StringEquals": {"aws:SourceAccount": stack.account},
        }


class TestQueue:
    @pytest.fixture(scope="class")
    @classmethod
    def stack(cls) -> Stack:
        return synthesize(lambda scope, site: queue(scope, site).accept_from("events.amazonaws.com", "arn:rule"))

    def test_refuses_plain_http_to_both(self, stack: Stack) -> None:
        for each in stack.resources("aws_sqs_queue"):
            refused = statement(statements(each["policy"]), "RefusePlainHttp")
            assert (refused["Effect"], refused["Action"]) == ("Deny", ["sqs:*"])
            assert refused["Resource"][0].endswith(f":{each['name']}")

    def test_keeps_messages_as_long_as_sqs_can(self, stack: Stack) -> None:
        assert [each["message_retention_seconds"] for each in stack.resources("aws_sqs_queue")] == [1_209_600] * 2

    def test_is_encrypted(self, stack: Stack) -> None:
        assert all(each["sqs_managed_sse_enabled"] for each in stack.resources("aws_sqs_queue"))

    def test_messages_are_redriven_late_to_the_dead_letters_of_the_queue(self, stack: Stack) -> None:
        dead = stack.address("aws_sqs_queue", name="dropbatch-test-arrivals-dead")
        policy = stack.one("aws_sqs_queue_redrive_policy")["redrive_policy"]
        assert policy == f'{{"deadLetterTargetArn":"${{{dead}.arn}}","maxReceiveCount":100}}'

    def test_dead_letters_come_from_this_queue_only(self, stack: Stack) -> None:
        allowed = stack.one("aws_sqs_queue", name="dropbatch-test-arrivals-dead")["redrive_allow_policy"]
        assert '"redrivePermission":"byQueue"' in allowed
        assert allowed.endswith(':dropbatch-test-arrivals"]}')


class TestLedger:
    @pytest.fixture(scope="class")
    @classmethod
    def stack(cls) -> Stack:
        return synthesize(lambda scope, site: Ledger(scope, "Ledger", LedgerProps(site=site)))

    def test_is_paid_by_request_and_recoverable(self, stack: Stack) -> None:
        table = stack.one("aws_dynamodb_table")
        assert table["billing_mode"] == "PAY_PER_REQUEST"
        assert table["point_in_time_recovery"] == {"enabled": True}

    @pytest.mark.parametrize("disposable", [True, False])
    def test_is_protected_unless_disposable(self, disposable: bool) -> None:
        stack = synthesize(lambda scope, site: Ledger(scope, "Ledger", LedgerProps(site=site)), disposable=disposable)
        assert stack.one("aws_dynamodb_table")["deletion_protection_enabled"] is not disposable

    def test_has_the_indexes_of_the_contract(self, stack: Stack) -> None:
        table = stack.one("aws_dynamodb_table")
        assert table["hash_key"] == "id"
        assert "range_key" not in table
        assert {each["name"]: (each["hash_key"], each["range_key"]) for each in table["global_secondary_index"]} == {
            "by-day": ("day", "created_at"),
            "unfinished": ("unfinished", "updated_at"),
        }

    def test_setting_flags_does_not_allow_writing_runs(self) -> None:
        stack = synthesize(lambda scope, site: Ledger(scope, "Ledger", LedgerProps(site=site)).grant_flags(role(scope)))
        condition = statement(stack.rights("reader"), "SetFlags")["Condition"]
        assert condition == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["flag#*"]}}

    def test_readers_of_a_group_read_its_items_and_the_pause_flag(self) -> None:
        stack = synthesize(
            lambda scope, site: Ledger(scope, "Ledger", LedgerProps(site=site)).grant_reading_of(role(scope), "lab")
        )
        condition = statement(stack.rights("reader"), "ReadLedger")["Condition"]
        assert condition == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["lab#*", "flag#paused"]}}


class TestRegistry:
    def test_tags_are_immutable_and_images_scanned(self) -> None:
        stack = synthesize(lambda scope, site: Registry(scope, "Registry", RegistryProps(site=site)))
        repository = stack.one("aws_ecr_repository", name="dropbatch-test")
        assert repository["image_tag_mutability"] == "IMMUTABLE"
        assert repository["image_scanning_configuration"] == {"scan_on_push": True}
        assert repository["force_delete"] is False

    def test_tagged_images_never_expire(self) -> None:
        stack = synthesize(lambda scope, site: Registry(scope, "Registry", RegistryProps(site=site)))
        policy = stack.one("aws_ecr_lifecycle_policy")["policy"]
        assert policy.count("tagStatus") == 1
        assert '"tagStatus":"untagged"' in policy
