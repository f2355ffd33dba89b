"""What the adapters on Google Cloud have in common: where the services are, who we are, what errors mean.

Nothing here is imported unless a store's URL names Google Cloud, as the clients come with the extra
`cloud` only (see `shared.google.installed`).
"""
