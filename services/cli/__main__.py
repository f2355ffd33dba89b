"""`python -m services.cli`, the same as `productive-ingest`."""

from services.cli.main import main

main()
