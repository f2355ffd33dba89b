"""The warehouse port over BigQuery: tables by SQL and REST, rows by the Storage Write API."""
