"""The processes: each folder is one service, none imports another (the command line excepted)."""
