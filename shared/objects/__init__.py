"""The objects port and its adapters, chosen by URL."""
