"""The writer: takes record batches from the bus and applies them to the warehouse."""
