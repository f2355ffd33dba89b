"""The record format between the services; its form on the bus is in `codec`."""

from shared.record.model import SCHEMA, OwnColumn, Record, RecordBatch, Source, Value, Version
from shared.record.normalize import Drift, Normalizer, Rejected

__all__ = [
    "SCHEMA",
    "Drift",
    "Normalizer",
    "OwnColumn",
    "Record",
    "RecordBatch",
    "Rejected",
    "Source",
    "Value",
    "Version",
]
