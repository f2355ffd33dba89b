"""What the services share: the catalog, the record, the Productive client and the four ports.

Nothing in here imports `services`.
"""
