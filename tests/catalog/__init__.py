"""The catalog: its facts, its rules, and what every table must be."""
