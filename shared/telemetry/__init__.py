"""What the services tell about themselves: metrics, log lines and traces; never a record's content.

- `metrics.py` declares every metric once, with what an operator should do about it.
- `logging.py` writes log lines: for people on a terminal, structured JSON on Cloud Run.
- `tracing.py` follows an event from its receipt to its row, where an exporter is configured.
"""
