"""How progress and results look."""
