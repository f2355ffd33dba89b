# Empty: values are added by commands (see the outputs and docs/deploy.md), and are never in Terraform's state.
locals {
  secrets = {
    # Whoever loses these two cannot have them again: pseudonyms would change, and purged records come back.
    column_hash_key = { irreplaceable = true }
    keep_out_key    = { irreplaceable = true }
    # These can be made anew, in Productive and by `webhooks rotate`.
    productive_api_token      = { irreplaceable = false }
    productive_webhook_tokens = { irreplaceable = false }
  }

  organization_secrets = {
    for pair in setproduct(keys(local.organizations), keys(local.secrets)) : "${pair[0]}/${pair[1]}" => {
      organization = pair[0]
      name         = pair[1]
    }
  }

  configured = { for name, one in local.organizations : name => one if one.config_file != null }
}

resource "google_secret_manager_secret" "secret" {
  for_each = local.organization_secrets

  secret_id           = "${local.organizations[each.value.organization].base}-${each.value.name}"
  labels              = local.organizations[each.value.organization].labels
  deletion_protection = local.secrets[each.value.name].irreplaceable && var.keep_data

  replication {
    auto {}
  }

  depends_on = [google_project_service.api]
}

# The configuration file is no secret (tokens are refused in it), but a version of a secret is what Cloud Run can
# show a service as a file, and a new version is a new revision.
resource "google_secret_manager_secret" "config" {
  for_each = local.configured

  secret_id           = "${each.value.base}-config"
  labels              = each.value.labels
  deletion_protection = false

  replication {
    auto {}
  }

  depends_on = [google_project_service.api]
}

resource "google_secret_manager_secret_version" "config" {
  for_each = local.configured

  secret      = google_secret_manager_secret.config[each.key].id
  secret_data = file(each.value.config_file)

  # Revisions to roll back to still mount the old ones.
  deletion_policy = "ABANDON"
}
