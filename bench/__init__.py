"""Measures the ratios that docs/benchmarks.md reports; run it with `python -m bench` or `make bench`.

Every measure is a module with `measure(options)`; it compares two things within one run, taken in turns,
so that a slow or busy machine slows both.
"""
