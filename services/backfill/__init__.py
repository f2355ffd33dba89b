"""The crawl: reads every selected table of Productive and publishes it to the bus."""
