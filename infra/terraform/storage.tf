locals {
  archive_folder = "dead-letters"
}

# Checkpoints, claims, state, the receiver's spool, and the archive of dead letters (docs/cloud-stores.md).
resource "google_storage_bucket" "state" {
  for_each = local.organizations

  name     = each.value.bucket
  location = var.region
  labels   = each.value.labels

  storage_class               = "STANDARD"
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !var.keep_data

  # Checkpoints are replaced every second while a crawl runs: each would stay as a version, and what `purge`
  # removes would stay, too. What was deleted by mistake can be had back for a week instead.
  versioning {
    enabled = false
  }
  soft_delete_policy {
    retention_duration_seconds = 604800
  }

  # Never by age alone: some objects are written once and needed for ever.
  dynamic "lifecycle_rule" {
    for_each = var.dead_letter_archive_days > 0 ? [var.dead_letter_archive_days] : []

    content {
      action {
        type = "Delete"
      }
      condition {
        age            = lifecycle_rule.value
        matches_prefix = ["${local.archive_folder}/"]
      }
    }
  }

  # Parts of uploads that were never ended.
  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 7
    }
  }

  depends_on = [google_project_service.api]
}

# Pub/Sub writes the archive and looks whether the bucket is there; it reads nothing.
resource "google_storage_bucket_iam_member" "archive" {
  for_each = {
    for pair in setproduct(
      var.dead_letter_archive_days > 0 ? keys(local.organizations) : [],
      ["roles/storage.objectCreator", "roles/storage.legacyBucketReader"],
    ) : "${pair[0]}/${pair[1]}" => { organization = pair[0], role = pair[1] }
  }

  bucket = google_storage_bucket.state[each.value.organization].name
  role   = each.value.role
  member = local.pubsub_agents[each.value.organization]
}
