"""Turns kept deliveries into records: published as they are when whole, else read again by id."""
