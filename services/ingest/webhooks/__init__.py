"""Productive's side of the webhooks: registered, watched, repaired, rotated, replayed."""
