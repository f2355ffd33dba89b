# One account per service and organization, so that each has its own rights (rights.tf) and nothing else.
locals {
  services = {
    ingest   = "takes webhooks and reads what they tell of"
    backfill = "crawls, compares and verifies"
    writer   = "writes the tables"
    webhooks = "looks after the registered webhooks"
    timer    = "starts the jobs when they are due"
  }

  accounts = {
    for pair in setproduct(keys(local.organizations), keys(local.services)) : "${pair[0]}/${pair[1]}" => {
      organization = pair[0]
      service      = pair[1]
    }
  }
}

resource "google_service_account" "service" {
  for_each = local.accounts

  account_id   = "${local.organizations[each.value.organization].account}-${each.value.service}"
  display_name = "${local.organizations[each.value.organization].base} ${each.value.service}"
  description  = "productive-ingest: ${local.services[each.value.service]}"

  depends_on = [google_project_service.api]
}
