# Who may do what, and why: one line per role on one resource. shared/google/rights.py has the same list for
# `doctor`; a test holds them equal. `operator` stands for var.operators.
locals {
  rights = [
    { on = "topic", name = "records", role = "roles/pubsub.publisher", who = ["ingest", "backfill", "webhooks", "operator"], why = "publish records" },
    { on = "topic", name = "records-dead", role = "roles/pubsub.publisher", who = ["ingest", "backfill", "writer", "operator"], why = "set dead letters aside" },
    { on = "topic", name = "deliveries", role = "roles/pubsub.publisher", who = ["ingest", "webhooks", "operator"], why = "publish webhooks' deliveries" },
    { on = "topic", name = "deliveries-dead", role = "roles/pubsub.publisher", who = ["ingest", "operator"], why = "set dead letters aside" },
    { on = "topic", name = "records", role = "roles/pubsub.viewer", who = ["operator"], why = "see that the topic is there" },
    { on = "topic", name = "records-dead", role = "roles/pubsub.viewer", who = ["operator"], why = "see that the topic is there" },
    { on = "topic", name = "deliveries", role = "roles/pubsub.viewer", who = ["operator"], why = "see that the topic is there" },
    { on = "topic", name = "deliveries-dead", role = "roles/pubsub.viewer", who = ["operator"], why = "see that the topic is there" },

    { on = "subscription", name = "records", role = "roles/pubsub.subscriber", who = ["writer", "operator"], why = "take records to write them" },
    { on = "subscription", name = "records-dead", role = "roles/pubsub.subscriber", who = ["operator"], why = "list and replay dead letters" },
    { on = "subscription", name = "deliveries", role = "roles/pubsub.subscriber", who = ["ingest", "operator"], why = "take webhooks' deliveries to read them" },
    { on = "subscription", name = "deliveries-dead", role = "roles/pubsub.subscriber", who = ["operator"], why = "list and replay dead letters" },
    { on = "subscription", name = "records", role = "roles/pubsub.viewer", who = ["operator"], why = "see how the subscription is set up" },
    { on = "subscription", name = "records-dead", role = "roles/pubsub.viewer", who = ["operator"], why = "see how the subscription is set up" },
    { on = "subscription", name = "deliveries", role = "roles/pubsub.viewer", who = ["operator"], why = "see how the subscription is set up" },
    { on = "subscription", name = "deliveries-dead", role = "roles/pubsub.viewer", who = ["operator"], why = "see how the subscription is set up" },

    { on = "bucket", name = "state", role = "roles/storage.objectUser", who = ["ingest", "backfill", "writer", "webhooks", "operator"], why = "keep checkpoints, claims, state and the spool" },

    { on = "secret", name = "productive_api_token", role = "roles/secretmanager.secretAccessor", who = ["ingest", "backfill", "webhooks", "operator"], why = "read Productive's API token" },
    { on = "secret", name = "productive_webhook_tokens", role = "roles/secretmanager.secretAccessor", who = ["ingest", "webhooks", "operator"], why = "check webhooks' signatures" },
    { on = "secret", name = "productive_webhook_tokens", role = "roles/secretmanager.secretVersionManager", who = ["webhooks", "operator"], why = "keep new webhooks' tokens" },
    { on = "secret", name = "column_hash_key", role = "roles/secretmanager.secretAccessor", who = ["ingest", "backfill", "webhooks", "operator"], why = "make pseudonyms, where columns are hashed" },
    { on = "secret", name = "keep_out_key", role = "roles/secretmanager.secretAccessor", who = ["backfill", "writer", "operator"], why = "know what a purge keeps out, where it keeps out any" },

    { on = "dataset", name = "warehouse", role = "roles/bigquery.dataViewer", who = ["backfill", "operator"], why = "compare what was read with what is stored" },
    { on = "dataset", name = "warehouse", role = "roles/bigquery.dataEditor", who = ["writer", "operator"], why = "make, alter and write the tables; to an operator, purge them" },

    { on = "project", name = "project", role = "roles/bigquery.jobUser", who = ["backfill", "writer", "operator"], why = "ask BigQuery questions" },
    { on = "project", name = "project", role = "roles/monitoring.viewer", who = ["writer", "operator"], why = "see backlogs and the use of quotas" },
  ]

  # One entry per member, under a key that is known before anything is made.
  granted = merge([
    for right in local.rights : merge([
      for who in right.who : merge([
        for name in keys(local.organizations) : {
          for member in(who == "operator" ? var.operators : ["service"]) :
          join(" ", [name, right.on, right.name, right.role, member == "service" ? who : member]) => {
            organization = name
            on           = right.on
            name         = right.name
            role         = right.role
            person       = member != "service"
            member       = member == "service" ? google_service_account.service["${name}/${who}"].member : member
          }
        }
      ]...)
    ]...)
  ]...)

  # Members of a project are one list for all organizations: a person may be there once only.
  granted_on_project = {
    for key, one in local.granted : key => one
    if one.on == "project" && (!one.person || one.organization == keys(local.organizations)[0])
  }
}

resource "google_pubsub_topic_iam_member" "right" {
  for_each = { for key, one in local.granted : key => one if one.on == "topic" }

  topic = (
    endswith(each.value.name, "-dead")
    ? google_pubsub_topic.dead["${each.value.organization}/${trimsuffix(each.value.name, "-dead")}"].id
    : google_pubsub_topic.bus["${each.value.organization}/${each.value.name}"].id
  )
  role   = each.value.role
  member = each.value.member
}

resource "google_pubsub_subscription_iam_member" "right" {
  for_each = { for key, one in local.granted : key => one if one.on == "subscription" }

  subscription = (
    endswith(each.value.name, "-dead")
    ? google_pubsub_subscription.dead["${each.value.organization}/${trimsuffix(each.value.name, "-dead")}"].id
    : google_pubsub_subscription.bus["${each.value.organization}/${each.value.name}"].id
  )
  role   = each.value.role
  member = each.value.member
}

resource "google_storage_bucket_iam_member" "right" {
  for_each = { for key, one in local.granted : key => one if one.on == "bucket" }

  bucket = google_storage_bucket.state[each.value.organization].name
  role   = each.value.role
  member = each.value.member
}

resource "google_secret_manager_secret_iam_member" "right" {
  for_each = { for key, one in local.granted : key => one if one.on == "secret" }

  secret_id = google_secret_manager_secret.secret["${each.value.organization}/${each.value.name}"].id
  role      = each.value.role
  member    = each.value.member
}

resource "google_bigquery_dataset_iam_member" "right" {
  for_each = { for key, one in local.granted : key => one if one.on == "dataset" }

  dataset_id = google_bigquery_dataset.warehouse[each.value.organization].dataset_id
  role       = each.value.role
  member     = each.value.member
}

resource "google_project_iam_member" "right" {
  for_each = local.granted_on_project

  project = var.project
  role    = each.value.role
  member  = each.value.member

  depends_on = [google_project_service.api]
}

# Beyond the services' own needs: the configuration file that Cloud Run mounts as the service's account ...
resource "google_secret_manager_secret_iam_member" "config" {
  for_each = {
    for pair in setproduct(keys(local.configured), ["ingest", "backfill", "writer", "webhooks"]) :
    "${pair[0]}/${pair[1]}" => { organization = pair[0], service = pair[1] }
  }

  secret_id = google_secret_manager_secret.config[each.value.organization].id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.service["${each.value.organization}/${each.value.service}"].member
}

# ... and the people who query the tables.
resource "google_bigquery_dataset_iam_member" "reader" {
  for_each = {
    for pair in setproduct(keys(local.organizations), var.readers) :
    "${pair[0]} ${pair[1]}" => { organization = pair[0], member = pair[1] }
  }

  dataset_id = google_bigquery_dataset.warehouse[each.value.organization].dataset_id
  role       = "roles/bigquery.dataViewer"
  member     = each.value.member
}
