"""What `init` asks, checks and writes: an installation on Google Cloud, described in two files."""
