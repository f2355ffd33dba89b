"""Settings from the command line, the environment and the configuration file."""

from shared.config.load import TOKEN_VARIABLE, load_settings
from shared.config.settings import SETTINGS, Setting, Settings

__all__ = ["SETTINGS", "TOKEN_VARIABLE", "Setting", "Settings", "load_settings"]
