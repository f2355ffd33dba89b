"""Turns kept deliveries into records: published as they are when whole, else read again by id.

`Reader` is the service; what it may touch is its `ReadingEnvironment`, and what it does it tells a
`ReadingObserver`.
"""

from services.ingest.reading.environment import ReadingEnvironment, ReadingLimits
from services.ingest.reading.observing import Outcome, ReadingObserver, SilentObserver
from services.ingest.reading.payload import TEST_EVENT
from services.ingest.reading.reader import Reader

__all__ = [
    "TEST_EVENT",
    "Outcome",
    "Reader",
    "ReadingEnvironment",
    "ReadingLimits",
    "ReadingObserver",
    "SilentObserver",
]
