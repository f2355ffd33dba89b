"""Commands of `gcloud` and `bq` that mend what an examination finds, ready to be pasted into a shell.

Their names and flags are those of Google's reference of both tools.
"""

from __future__ import annotations

import shlex
from typing import Final

MEMBER: Final = "MEMBER"
"""Stands for an account that is not known, to be replaced by serviceAccount:EMAIL or user:EMAIL."""

LOG_IN: Final = "gcloud auth application-default login"


def enable_api(api: str, project: str) -> str:
    """Switch an API on."""
    return _shell("gcloud", "services", "enable", api, "--project", project)


def grant_on_topic(project: str, topic: str, member: str, role: str) -> str:
    """Give a role on one topic."""
    return _binding("pubsub topics", topic, member, role, project)


def grant_on_subscription(project: str, subscription: str, member: str, role: str) -> str:
    """Give a role on one subscription."""
    return _binding("pubsub subscriptions", subscription, member, role, project)


def grant_on_bucket(bucket: str, member: str, role: str) -> str:
    """Give a role on one bucket."""
    return _binding("storage buckets", f"gs://{bucket}", member, role)


def grant_on_secret(project: str, secret: str, member: str, role: str) -> str:
    """Give a role on one secret."""
    return _binding("secrets", secret, member, role, project)


def grant_on_project(project: str, member: str, role: str) -> str:
    """Give a role on a whole project, for what can be given nowhere below."""
    return _binding("projects", project, member, role)


def grant_on_dataset(project: str, dataset: str, member: str, role: str) -> str:
    """Give a role on one dataset.

    By SQL, as `bq add-iam-policy-binding` is documented for tables and views only.
    """
    statement = f'GRANT `{role}` ON SCHEMA `{project}`.`{dataset}` TO "{member}"'
    return _shell("bq", "query", f"--project_id={project}", "--use_legacy_sql=false", statement)


def create_topic(project: str, topic: str) -> str:
    """Make a topic."""
    return _shell("gcloud", "pubsub", "topics", "create", topic, "--project", project)


def create_subscription(project: str, subscription: str, topic: str, *flags: str) -> str:
    """Make a subscription of a topic, one that never expires by itself."""
    return _shell(
        "gcloud",
        "pubsub",
        "subscriptions",
        "create",
        subscription,
        f"--topic={topic}",
        "--expiration-period=never",
        *flags,
        "--project",
        project,
    )


def update_subscription(project: str, subscription: str, *flags: str) -> str:
    """Change how a subscription is set up."""
    return _shell("gcloud", "pubsub", "subscriptions", "update", subscription, *flags, "--project", project)


def create_bucket(bucket: str) -> str:
    """Make a bucket, with access by its policy alone; the place is to be chosen."""
    return (
        _shell("gcloud", "storage", "buckets", "create", f"gs://{bucket}", "--uniform-bucket-level-access")
        + " --location=LOCATION"
    )


def update_bucket(bucket: str, *flags: str) -> str:
    """Change how a bucket is set up."""
    return _shell("gcloud", "storage", "buckets", "update", f"gs://{bucket}", *flags)


def create_secret(project: str, secret: str) -> str:
    """Make a secret, without a version yet."""
    return _shell(
        "gcloud", "secrets", "create", secret, "--replication-policy=automatic", "--project", project
    )


def add_secret_version(project: str, secret: str) -> str:
    """Keep what the variable VALUE holds as the secret's newest version; so it is in no shell's history."""
    command = _shell("gcloud", "secrets", "versions", "add", secret, "--data-file=-", "--project", project)
    return f'printf %s "$VALUE" | {command}'


def create_dataset(project: str, dataset: str) -> str:
    """Make a dataset; the place is to be chosen, and cannot be changed later."""
    return f"bq --location=LOCATION mk --dataset {shlex.quote(f'{project}:{dataset}')}"


def update_dataset(project: str, dataset: str, *flags: str) -> str:
    """Change how a dataset is set up."""
    return _shell("bq", "update", *flags, "--dataset", f"{project}:{dataset}")


def update_table(project: str, dataset: str, table: str, *flags: str) -> str:
    """Change how a table is set up."""
    return _shell("bq", "update", *flags, f"{project}:{dataset}.{table}")


def _binding(what: str, name: str, member: str, role: str, project: str = "") -> str:
    words = [*what.split(), "add-iam-policy-binding", name, f"--member={member}", f"--role={role}"]
    return _shell("gcloud", *words, *(["--project", project] if project else []))


def _shell(*words: str) -> str:
    return shlex.join(words)
