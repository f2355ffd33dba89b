"""The console command: it parses, calls and prints."""
