"""Secrets in one JSON file that only this user may read."""
