"""An agency at work: changes of the kinds that people make all day, at any rate, repeatable by a seed."""

from services.sandbox.load.agency import Agency, LoadEvent
from services.sandbox.load.load import Load, LoadSettings, Step
from services.sandbox.load.steps import STEPS, WEIGHTS

__all__ = ["STEPS", "WEIGHTS", "Agency", "Load", "LoadEvent", "LoadSettings", "Step"]
