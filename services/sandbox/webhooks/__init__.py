"""Webhooks as Productive sends them: which change tells what, to whom, signed how, and again how often."""
