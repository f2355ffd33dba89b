"""What the adapters on Google Cloud have in common: where the services are, who we are, what errors mean.

Nothing here is imported unless a store's URL names Google Cloud, as the clients come with the extra
`cloud` only (see `shared.google.installed`).
"""

import os

# gRPC writes its own remarks to standard error, past every log: among them each connection that a server
# ends. It looks at this when it is imported, so this package comes before it.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
