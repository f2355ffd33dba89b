output "image_repository" {
  description = "Where the image is pushed to; its address with a tag or digest is the variable `image`."
  value       = local.repository
}

output "webhook_urls" {
  description = "What `webhooks register --url` wants, by organization; Productive sends to /webhooks/productive/... below it."
  value       = { for name, service in google_cloud_run_v2_service.ingest : name => service.uri }
}

output "datasets" {
  description = "Where the tables are, by organization."
  value       = { for name, dataset in google_bigquery_dataset.warehouse : name => "${var.project}.${dataset.dataset_id}" }
}

output "token_commands" {
  description = "Puts Productive's API token into Secret Manager, by organization: read from the keyboard, so that it is in no history and never in Terraform's state."
  value = {
    for name, one in local.organizations : name => "read -rs TOKEN && printf %s \"$TOKEN\" | gcloud secrets versions add ${google_secret_manager_secret.secret["${name}/productive_api_token"].secret_id} --data-file=- --project ${var.project}; unset TOKEN"
  }
}

output "environment" {
  description = "For running commands against this installation from a machine of yours, as one of var.operators, by organization: the variables of docs/configuration.md."
  value = {
    for name, values in local.environment : name => join("\n", [
      for key in sort(keys(values)) : "export ${key}=${values[key]}"
      if !contains(["LOG_FORMAT", "PRODUCTIVE_DATA_DIR", "PRODUCTIVE_INGEST_CONFIG"], key)
    ])
  }
}

output "next_commands" {
  description = "What is to be done after an apply, in order, by organization."
  value = {
    for name, one in local.organizations : name => var.image == "" ? [
      "terraform output -json token_commands   # a service without the token does not start: run the one of ${name}",
      "TAG=$(git rev-parse --short HEAD)",
      "gcloud builds submit --config ../../cloudbuild.yaml --substitutions _IMAGE=${local.repository}:$TAG --project ${var.project} ../..",
      "echo \"image = \\\"${local.repository}:$TAG\\\"\" > image.auto.tfvars",
      "terraform apply",
      ] : concat(
      [
        "gcloud run jobs execute ${one.base}-backfill --region ${var.region} --project ${var.project}",
        "eval \"$(terraform output -json environment | jq -r '.\"${name}\"')\" && productive-ingest doctor",
      ],
      one.webhooks ? [
        "productive-ingest webhooks register --url ${google_cloud_run_v2_service.ingest[name].uri}",
        "productive-ingest webhooks verify",
      ] : [],
      ["productive-ingest status"],
    )
  }
}
