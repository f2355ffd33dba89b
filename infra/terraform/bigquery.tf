# The tables in it are made and altered by the writer (docs/bigquery.md), not here.
resource "google_bigquery_dataset" "warehouse" {
  for_each = local.organizations

  dataset_id  = each.value.dataset
  location    = var.bigquery_location
  labels      = each.value.labels
  description = "Productive's records of the organization ${each.value.organization_id}, kept by productive-ingest"

  # The least there is: what is purged is gone after two days.
  max_time_travel_hours      = "48"
  delete_contents_on_destroy = !var.keep_data

  # No default expiration: a table that expires would be lost. No `access`: it would fight with the members in
  # rights.tf. What BigQuery gives by default stays: owners, editors and viewers of the project.

  dynamic "default_encryption_configuration" {
    for_each = var.bigquery_kms_key == "" ? [] : [var.bigquery_kms_key]

    content {
      kms_key_name = default_encryption_configuration.value
    }
  }

  depends_on = [google_project_service.api, google_kms_crypto_key_iam_member.bigquery]
}

# BigQuery encrypts as an account of its own.
resource "google_kms_crypto_key_iam_member" "bigquery" {
  count = var.bigquery_kms_key == "" ? 0 : 1

  crypto_key_id = var.bigquery_kms_key
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:bq-${local.project_number}@bigquery-encryption.iam.gserviceaccount.com"
}
