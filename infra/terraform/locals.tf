# Every name, in one place. Each organization has everything for itself: topics, secrets, a bucket, a dataset,
# accounts and services. So one token's rights end where its organization ends, and one can be removed alone.
locals {
  labels = merge({ app = "productive-ingest", managed-by = "terraform" }, var.labels)

  organizations = {
    for name, one in var.organizations : name => {
      organization_id = one.organization_id
      base            = "${var.prefix}-${name}"
      dataset         = one.dataset != null ? one.dataset : replace("${var.prefix}_${name}", "-", "_")
      # Names of buckets are shared by everybody on Google Cloud, and ids of projects are unique among them.
      bucket      = "${var.project}-${var.prefix}-${name}"
      webhooks    = one.webhooks
      config_file = one.config_file
      labels      = { organization = name }
      # The id of a service account has at most 30 characters, of which the service's name takes up to 9.
      account = (
        length("${var.prefix}-${name}") <= 21
        ? "${var.prefix}-${name}"
        : "${substr("${var.prefix}-${name}", 0, 14)}-${substr(sha256("${var.prefix}-${name}"), 0, 6)}"
      )
    }
  }

  # Without an image there is nothing to run yet: the first apply makes the repository that it is pushed to.
  running   = { for name, one in local.organizations : name => one if var.image != "" }
  receiving = { for name, one in local.running : name => one if one.webhooks }

  # A bus is a topic and a subscription of one name, with two more for its dead letters (docs/pubsub.md).
  buses = {
    for pair in setproduct(keys(local.organizations), ["records", "deliveries"]) : "${pair[0]}/${pair[1]}" => {
      organization = pair[0]
      bus          = pair[1]
      name         = "${local.organizations[pair[0]].base}-${pair[1]}"
      labels       = local.organizations[pair[0]].labels
    }
  }

  # Pub/Sub moves dead letters itself, as an account whose name has the project's number in it. A bucket knows
  # that number, so that nothing has to be looked up before the first plan; each organization asks its own, so
  # that a new one does not make the number of the others unknown.
  project_numbers = { for name, bucket in google_storage_bucket.state : name => bucket.project_number }
  project_number  = local.project_numbers[keys(local.organizations)[0]]
  pubsub_agents = {
    for name, number in local.project_numbers : name => "serviceAccount:service-${number}@gcp-sa-pubsub.iam.gserviceaccount.com"
  }

  # What a service reads from its environment; docs/configuration.md has every variable. The environment comes
  # before the configuration file, so that a file from a laptop does not lead the services elsewhere.
  environment = {
    for name, one in local.organizations : name => merge(
      {
        PRODUCTIVE_ORGANIZATION_ID = one.organization_id
        BUS_URL                    = "pubsub://${var.project}/${one.base}-records"
        INTAKE_URL                 = "pubsub://${var.project}/${one.base}-deliveries"
        WAREHOUSE_URL              = "bigquery://${var.project}/${one.dataset}"
        OBJECTS_URL                = "gs://${one.bucket}/state"
        SECRETS_URL                = "secretmanager://${var.project}/${one.base}"
        BIGQUERY_LOCATION          = var.bigquery_location
        GOOGLE_CLOUD_PROJECT       = var.project
        LOG_FORMAT                 = "json"
        # Nothing is kept on the instance; what is written at all goes to its memory.
        PRODUCTIVE_DATA_DIR = "/tmp/productive-data"
      },
      one.config_file == null ? {} : { PRODUCTIVE_INGEST_CONFIG = local.config_path },
    )
  }
  config_folder = "/etc/productive-ingest"
  config_name   = "productive-ingest.toml"
  config_path   = "${local.config_folder}/${local.config_name}"
}
