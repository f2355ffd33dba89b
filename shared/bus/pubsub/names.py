"""What `pubsub://PROJECT/TOPIC` names: the topic, its subscription, and the pair for the dead letters.

The rules for names are documented in Google's "Guidelines to name a topic or a subscription".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from shared.errors import ConfigError
from shared.google.names import PROJECT, checked, parse_cloud_url

EXAMPLE = "pubsub://my-project/productive-records"
DEAD = "-dead"

_TOPIC = re.compile(rf"(?!goog)[A-Za-z][A-Za-z0-9._~+-]{{2,{254 - len(DEAD)}}}")


@dataclass(frozen=True, slots=True)
class Names:
    """The short name of the topic in its project; subscriptions have the names of their topics."""

    project: str
    name: str

    @property
    def topic(self) -> str:
        """The topic's full name."""
        return self._topic(self.name)

    @property
    def subscription(self) -> str:
        """The full name of the subscription that messages are read from."""
        return self._subscription(self.name)

    @property
    def dead_topic(self) -> str:
        """The full name of the dead letters' topic."""
        return self._topic(self.name + DEAD)

    @property
    def dead_subscription(self) -> str:
        """The full name of the subscription that keeps the dead letters."""
        return self._subscription(self.name + DEAD)

    def _topic(self, name: str) -> str:
        return f"projects/{self.project}/topics/{name}"

    def _subscription(self, name: str) -> str:
        return f"projects/{self.project}/subscriptions/{name}"


def parse(url: str) -> Names:
    """The names behind a URL; `ConfigError` for what Pub/Sub would not take."""
    place = parse_cloud_url(url, example=EXAMPLE)
    project = checked(place.first, PROJECT, what="a project", example=EXAMPLE)
    topic = checked(place.second, _TOPIC, what="a topic", example=EXAMPLE)
    if topic.endswith(DEAD):
        raise ConfigError(
            f"the topic {topic!r} is one for dead letters",
            advice=f"Name the topic that they come from; {topic!r} belongs to {topic[: -len(DEAD)]!r}.",
        )
    return Names(project, topic)
