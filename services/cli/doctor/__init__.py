"""Goes through everything that must be true, and says what is not, with the command that mends it."""
