"""The warehouse port and its adapters, chosen by URL."""
