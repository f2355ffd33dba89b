"""From a URL to objects: `gs://BUCKET`, or `gs://BUCKET/PREFIX` to share a bucket."""

from __future__ import annotations

import re
from typing import Final

from shared.clock import Clock
from shared.errors import ConfigError
from shared.google.names import checked, parse_cloud_url
from shared.objects.gcs.adapter import GcsObjects
from shared.objects.port import check_name

EXAMPLE: Final = "gs://acme-productive-state/ingest"
BUCKET: Final = re.compile(
    r"(?=.{3,222}$)[a-z0-9][a-z0-9_-]{1,61}[a-z0-9](?:\.[a-z0-9][a-z0-9_-]{0,61}[a-z0-9])*"
)
"""A bucket's name: 3 to 63 characters, or several such parts of a domain's name (documented)."""

_LONGEST_PREFIX: Final = 500
"""A name of ours has up to 512 characters, one of Cloud Storage's up to 1,024 (documented)."""


async def connect(url: str, *, clock: Clock) -> GcsObjects:
    """Open the objects in the bucket, which must be there.

    `ConfigError`, `StorageError` or `UnreachableError` when it cannot be used. Needs
    `roles/storage.objectUser` on the bucket, and nothing on the project.
    """
    name = parse_cloud_url(url, example=EXAMPLE)
    bucket = checked(name.first, BUCKET, what="a bucket", example=EXAMPLE)
    if len(name.second) > _LONGEST_PREFIX:
        raise ConfigError(f"gs: a prefix has {_LONGEST_PREFIX} characters at the most")
    prefix = check_name(name.second) if name.second else ""
    objects = GcsObjects(bucket, prefix, clock=clock)
    try:
        await objects.open()
    except BaseException:
        await objects.close()
        raise
    return objects
