"""A make-believe Productive organization behind the real API's manners."""
