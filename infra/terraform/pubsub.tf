# As the program itself would make them (docs/pubsub.md), so that it finds nothing to make and needs no right to.
resource "google_pubsub_topic" "bus" {
  for_each = local.buses

  name   = each.value.name
  labels = each.value.labels

  # What is on its way stays in the region, from wherever it is published.
  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }

  depends_on = [google_project_service.api]
}

resource "google_pubsub_topic" "dead" {
  for_each = local.buses

  name   = "${each.value.name}-dead"
  labels = each.value.labels

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }

  depends_on = [google_project_service.api]
}

resource "google_pubsub_subscription" "bus" {
  for_each = local.buses

  name   = each.value.name
  topic  = google_pubsub_topic.bus[each.key].id
  labels = each.value.labels

  # A week without a writer loses nothing.
  message_retention_duration = "604800s"
  ack_deadline_seconds       = 60

  # By default a subscription that nobody pulls from is deleted after 31 days, with what waits in it.
  expiration_policy {
    ttl = ""
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  # 100 deliveries with these waits take 15 hours: a warehouse that is away for a night empties nothing into
  # the dead letters.
  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead[each.key].id
    max_delivery_attempts = 100
  }
}

resource "google_pubsub_subscription" "dead" {
  for_each = local.buses

  name   = "${each.value.name}-dead"
  topic  = google_pubsub_topic.dead[each.key].id
  labels = each.value.labels

  # 31 days, the most there is: `deadletters list` and `replay` read from here.
  message_retention_duration = "2678400s"
  ack_deadline_seconds       = 60

  expiration_policy {
    ttl = ""
  }
}

# A second reader of the dead letters that writes them to files, for those that nobody looked at in 31 days.
resource "google_pubsub_subscription" "archive" {
  for_each = { for key, bus in local.buses : key => bus if var.dead_letter_archive_days > 0 }

  name   = "${each.value.name}-dead-archive"
  topic  = google_pubsub_topic.dead[each.key].id
  labels = each.value.labels

  message_retention_duration = "604800s"
  # No file may take longer to be filled than this.
  ack_deadline_seconds = 600

  expiration_policy {
    ttl = ""
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  cloud_storage_config {
    bucket          = google_storage_bucket.state[each.value.organization].name
    filename_prefix = "${local.archive_folder}/${each.value.bus}/"
    filename_suffix = ".avro"
    max_duration    = "300s"
    max_bytes       = 10000000

    # With the attributes: they hold the reason, and what of the body is compressed.
    avro_config {
      write_metadata = true
    }
  }

  # Pub/Sub tries the bucket when the subscription is made.
  depends_on = [google_storage_bucket_iam_member.archive]
}

# Without these two Pub/Sub forwards no dead letter, and does not say so.
resource "google_pubsub_topic_iam_member" "dead_agent" {
  for_each = local.buses

  topic  = google_pubsub_topic.dead[each.key].id
  role   = "roles/pubsub.publisher"
  member = local.pubsub_agents[each.value.organization]
}

resource "google_pubsub_subscription_iam_member" "dead_agent" {
  for_each = local.buses

  subscription = google_pubsub_subscription.bus[each.key].id
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agents[each.value.organization]
}
