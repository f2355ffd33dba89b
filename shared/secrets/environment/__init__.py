"""Secrets in environment variables, to be read only."""
