"""The contracts and a whole run on a real project of Google Cloud: `make test-gcp PROJECT=...`.

Not collected otherwise. Everything is made under names of its own, and removed afterwards.
"""
