"""Objects in a bucket of Cloud Storage, under a prefix."""
