"""What a metric is: its name, what it means, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

Kind = Literal["counter", "gauge", "histogram"]
Area = Literal["receiver", "reading", "writer", "bus", "crawl", "api", "process"]

# When each series began is a series of its own otherwise: twice as many to scrape and to pay for.
disable_created_metrics()  # type: ignore[no-untyped-call]

_MOST_NAMES: Final = 200
_OTHERS: Final = "others"


@dataclass(frozen=True, slots=True)
class Alert:
    """A suggestion: page or tell somebody when the PromQL expression `when` has held for `minutes`."""

    name: str
    when: str
    minutes: int
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Metric:
    """One declaration. `meaning` and `advice` are Markdown sentences for the operator.

    `name` is without the `_total` that a counter is scraped with, and ends with its unit where it has one.
    """

    name: str
    kind: Kind
    area: Area
    meaning: str
    advice: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    alerts: tuple[Alert, ...] = ()

    @property
    def scraped(self) -> str:
        """The name as it is scraped; a histogram has `_bucket`, `_sum` and `_count` behind it."""
        return f"{self.name}_total" if self.kind == "counter" else self.name

    def counter(self, registry: CollectorRegistry) -> Counter:
        """Make it; `ValueError` where it is in that registry already, or is of another kind."""
        self._must_be("counter")
        return Counter(self.name, self.help, self.labels, registry=registry)

    def gauge(self, registry: CollectorRegistry) -> Gauge:
        """See `counter`."""
        self._must_be("gauge")
        return Gauge(self.name, self.help, self.labels, registry=registry)

    def histogram(self, registry: CollectorRegistry) -> Histogram:
        """See `counter`."""
        self._must_be("histogram")
        return Histogram(self.name, self.help, self.labels, buckets=self.buckets, registry=registry)

    @property
    def help(self) -> str:
        """The meaning as plain text, for those who read the scraped page."""
        return self.meaning.replace("`", "")

    def _must_be(self, kind: Kind) -> None:
        if self.kind != kind:
            raise ValueError(f"{self.name} is declared as a {self.kind}")


class FewNames:
    """Bounds the values of a label: names beyond the first few hundred become `others`.

    Names of tables come from messages, and every new one would take memory for good.
    """

    def __init__(self) -> None:
        self._names: set[str] = set()

    def __call__(self, name: str) -> str:
        """The name itself, or `others`."""
        if name not in self._names:
            if len(self._names) >= _MOST_NAMES:
                return _OTHERS
            self._names.add(name)
        return name
