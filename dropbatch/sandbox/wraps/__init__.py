"""Wraps: patches of MiniStack where it differs from AWS in ways that matter to dropbatch.

Each wrap documents the difference, checks that a function of MiniStack is still that of the version it was written
for, and replaces it. The tests (`tests/sandbox/test_wraps….py`) show each difference and its fix.
"""

from importlib.metadata import version

from dropbatch.sandbox.batch.service import BatchService
from dropbatch.sandbox.emulator import MINISTACK
from dropbatch.sandbox.errors import WrapError
from dropbatch.sandbox.grants import Recorder
from dropbatch.sandbox.mail import MailBox
from dropbatch.sandbox.wraps.budgets import wrap_repeated_notifications
from dropbatch.sandbox.wraps.cloudwatch import wrap_alarm_listing, wrap_embedded_metrics, wrap_missing_dashboards
from dropbatch.sandbox.wraps.demands import wrap_demands, wrap_mapping_actions, wrap_mapping_context
from dropbatch.sandbox.wraps.deploy import (
    wrap_budget_actions,
    wrap_deploy_context,
    wrap_deploy_resources,
    wrap_network_tags,
)
from dropbatch.sandbox.wraps.ecr import wrap_missing_images
from dropbatch.sandbox.wraps.events import wrap_event_delivery
from dropbatch.sandbox.wraps.http import wrap_split_answers
from dropbatch.sandbox.wraps.iam import (
    authorized,
    wrap_batch_resources,
    wrap_denials,
    wrap_grants,
    wrap_leading_keys,
    wrap_log_streams,
    wrap_owner_key,
    wrap_transport,
    wrap_users_credentials,
    wrap_wildcards,
)
from dropbatch.sandbox.wraps.router import wrap_unknown_services
from dropbatch.sandbox.wraps.rules import wrap_rules
from dropbatch.sandbox.wraps.s3 import wrap_hidden_objects, wrap_version_listing, wrap_version_ranges
from dropbatch.sandbox.wraps.sns import wrap_mail
from dropbatch.sandbox.wraps.sqs import wrap_sqs_batches
from dropbatch.sandbox.wraps.stepfunctions import wrap_machine_objects

__all__ = ["MINISTACK", "authorized", "check_version", "install"]


def check_version() -> None:
    """Require the pinned version of MiniStack, because the wraps depend on its internals."""
    found = version("ministack")
    if found != MINISTACK:
        raise WrapError(f"the sandbox needs ministack {MINISTACK}, found {found}; run `make` to install the pinned one")


def install(batch: BatchService, mail: MailBox, grants: Recorder) -> None:
    """Install all wraps."""
    check_version()
    wrap_split_answers()
    wrap_rules()
    wrap_unknown_services()
    wrap_deploy_resources()
    wrap_deploy_context()
    wrap_budget_actions()
    wrap_network_tags()
    wrap_mapping_actions()
    wrap_mapping_context()
    wrap_log_streams()
    wrap_batch_resources(batch)
    wrap_owner_key()
    wrap_denials()
    wrap_leading_keys()
    wrap_sqs_batches()
    wrap_version_listing()
    wrap_version_ranges()
    wrap_hidden_objects()
    wrap_wildcards()
    wrap_transport()
    wrap_users_credentials()
    wrap_alarm_listing()
    wrap_missing_dashboards()
    wrap_embedded_metrics()
    wrap_machine_objects()
    wrap_missing_images()
    wrap_repeated_notifications()
    wrap_mail(mail)
    wrap_demands()
    wrap_event_delivery()
    wrap_grants(grants)
