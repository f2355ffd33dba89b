"""Forgets for good: one record, one person, one table or everything, wherever it is kept."""
