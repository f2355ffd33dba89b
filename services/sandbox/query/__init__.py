"""How a query string is read, and which records in which order answer it."""
