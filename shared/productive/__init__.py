"""The client of Productive's REST API."""
