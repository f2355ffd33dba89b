"""Secrets in Google's Secret Manager."""
