"""The secrets port and its adapters."""
