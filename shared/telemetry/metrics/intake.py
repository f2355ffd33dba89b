"""The metrics of the receiver, and of the reading of what it took."""

from __future__ import annotations

from typing import Final

from shared.telemetry.metric import Alert, Metric

RECEIVER_DELIVERIES: Final = Metric(
    "productive_receiver_deliveries",
    "counter",
    "receiver",
    "Deliveries answered with 200. `accepted`: durable on the intake bus. `spooled`: durable in the objects, "
    "because the bus did not take it. `duplicate`: the same signed request had been accepted before.",
    "Nothing for `accepted`. `spooled` grows: look at the intake bus (its disk, its size: is the reading "
    "running?); nothing is lost, it is late. Many `duplicate`: Productive does not see our answers; look "
    "at the proxy's timeouts. None at all for long: `productive-ingest webhooks verify`.",
    labels=("outcome",),
)
RECEIVER_REFUSED: Final = Metric(
    "productive_receiver_refused",
    "counter",
    "receiver",
    "Requests refused, see the reasons below.",
    "See below.",
    labels=("reason",),
    alerts=(
        Alert(
            "WrongSignatures",
            'rate(productive_receiver_refused_total{reason="wrong_signature"}[10m]) > 0.1',
            10,
        ),
    ),
)
RECEIVER_SHED: Final = Metric(
    "productive_receiver_shed",
    "counter",
    "receiver",
    "Requests answered with 503 and `Retry-After`: `storage` (neither the bus nor the spool took it), "
    "`memory` (too many bodies at once), `secrets` (the tokens could not be read), `error` (a bug; it is "
    "in the log).",
    "Alert on any: after too many Productive switches the webhook off. `storage`: make room, or repair "
    "the bus and the objects. `memory`: more instances, or larger limits. `secrets`: check access to the "
    "secrets. `error`: report it. Afterwards `productive-ingest webhooks verify` and `productive-ingest "
    "webhooks replay`.",
    labels=("reason",),
    alerts=(Alert("DeliveriesShed", "increase(productive_receiver_shed_total[5m]) > 0", 0, urgent=True),),
)
RECEIVER_BODY_BYTES: Final = Metric(
    "productive_receiver_body_bytes",
    "counter",
    "receiver",
    "Bytes of the bodies answered with 200.",
    "Nothing; for sizing.",
)
RECEIVER_ANSWER_SECONDS: Final = Metric(
    "productive_receiver_answer_seconds",
    "histogram",
    "receiver",
    "From a request's head to its answer, whatever the answer.",
    "The 99th percentile over 1 s: the bus is slow or hangs; look at its disk.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    alerts=(
        Alert(
            "SlowAnswers",
            "histogram_quantile(0.99, sum by (le) (rate(productive_receiver_answer_seconds_bucket[5m]))) > 1",
            10,
        ),
    ),
)
RECEIVER_CONNECTIONS: Final = Metric(
    "productive_receiver_connections",
    "gauge",
    "receiver",
    "Open connections.",
    "Close to its bound (2,048, or what the limit on open files leaves): somebody holds them open; see "
    "the next one.",
)
RECEIVER_CONNECTIONS_CLOSED: Final = Metric(
    "productive_receiver_connections_closed",
    "counter",
    "receiver",
    "Connections closed to make room for others, those that were silent for longest first.",
    "Grows: a flood; have the proxy limit connections per address.",
)
RECEIVER_BODIES_BYTES: Final = Metric(
    "productive_receiver_bodies_bytes",
    "gauge",
    "receiver",
    "Bytes of bodies in memory now.",
    "Close to its bound (64 MB) for long: the bus is slow, or bodies are sent slowly on purpose.",
)
RECEIVER_INTAKE_UP: Final = Metric(
    "productive_receiver_intake_up",
    "gauge",
    "receiver",
    "1 while the intake bus takes deliveries, 0 after a publish failed.",
    "Alert on 0 for more than a few minutes: deliveries wait in the spool.",
    alerts=(Alert("IntakeDown", "productive_receiver_intake_up == 0", 5),),
)
RECEIVER_SPOOL_UP: Final = Metric(
    "productive_receiver_spool_up",
    "gauge",
    "receiver",
    "1 while the objects take deliveries (or none had to go there), 0 after they failed.",
    "0 together with `intake_up` 0: deliveries are being refused; act now.",
    alerts=(
        Alert(
            "NothingTakesDeliveries",
            "productive_receiver_spool_up == 0 and productive_receiver_intake_up == 0",
            1,
            urgent=True,
        ),
    ),
)
RECEIVER_SPOOL_BYTES: Final = Metric(
    "productive_receiver_spool_bytes",
    "gauge",
    "receiver",
    "Bytes kept in the spool, of all processes that share the objects.",
    "Must return to 0 within minutes of the bus working again. Close to `receiver.spool_megabytes`: mend "
    "the bus first, then raise the setting.",
)
RECEIVER_SWEPT: Final = Metric(
    "productive_receiver_swept",
    "counter",
    "receiver",
    "Deliveries that went from the spool to the bus.",
    "Nothing.",
)
RECEIVER_UNREADABLE: Final = Metric(
    "productive_receiver_unreadable",
    "counter",
    "receiver",
    "Objects of the spool that were damaged, or that no bus takes; they are kept under `spool-unreadable/`.",
    "Look for a failing disk or a hand in the bucket; then `productive-ingest webhooks replay` for that "
    "time.",
    alerts=(Alert("SpoolDamaged", "increase(productive_receiver_unreadable_total[1h]) > 0", 0),),
)

READING_SETTLED: Final = Metric(
    "productive_reading_settled",
    "counter",
    "reading",
    "Deliveries done with. `published`: the payload was whole. `reread`: the record was read again. "
    "`deleted`: a deletion was published. `skipped`: a table that is not selected, or a test. `dead`: it "
    "is in the dead letters.",
    "Alert on `dead`: `productive-ingest deadletters list`. Mostly `reread` is normal: payloads lack "
    "relations.",
    labels=("outcome", "table"),
    alerts=(
        Alert("DeliveriesDead", 'increase(productive_reading_settled_total{outcome="dead"}[15m]) > 0', 0),
    ),
)
READING_REQUEST_SECONDS: Final = Metric(
    "productive_reading_request_seconds",
    "histogram",
    "reading",
    "How long Productive took for a request for changed records, waiting for the rate limit included.",
    "Grows: the rate limit is shared with a crawl; give the webhooks a share with `productive.reserve`.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0),
)
READING_WAITING: Final = Metric(
    "productive_reading_waiting",
    "gauge",
    "reading",
    "Deliveries held that wait for their record to be read again.",
    "Grows for long: Productive does not answer, or the limits do not suffice; they are safe on the "
    "intake bus.",
)
