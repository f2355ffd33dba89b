"""The record format between the services: model, normalization from JSON:API, and its form on the bus."""

from shared.record.model import SCHEMA, OwnColumn, Record, RecordBatch, Source, Value, Version

__all__ = ["SCHEMA", "OwnColumn", "Record", "RecordBatch", "Source", "Value", "Version"]
