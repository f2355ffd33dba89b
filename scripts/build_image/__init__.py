"""Runs the steps of the Dockerfile in a folder, where there is no Docker: a broken step is found anyway."""
