"""The catalog of Productive's resources, as data."""

from shared.catalog.loader import Catalog, load_catalog
from shared.catalog.model import Column, ColumnType, Include, Table

__all__ = ["Catalog", "Column", "ColumnType", "Include", "Table", "load_catalog"]
