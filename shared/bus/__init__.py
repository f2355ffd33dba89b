"""The bus port and its adapters, chosen by URL."""
