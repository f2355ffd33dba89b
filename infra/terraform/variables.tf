# ---------------------------------------------------------------------------------------------------------
# What has to be said
# ---------------------------------------------------------------------------------------------------------

variable "project" {
  description = "Id of the Google Cloud project, which has to exist and to have billing."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "project is an id like acme-data: 6 to 30 lower-case letters, digits and dashes, a letter first. Not the project's number, and not its name."
  }
}

variable "organizations" {
  description = "The organizations of Productive, by a short name of your choice that becomes a part of all names. organization_id: the number before the first dash in Productive's web address. dataset: the BigQuery dataset (default: the prefix and the short name). config_file: a productive-ingest.toml with tables, columns and whatever else is in docs/configuration.md, seen from the folder where terraform runs; what this module sets comes before it. webhooks: false leaves the receiver out, so that changes come with the next crawl only."
  type = map(object({
    organization_id = string
    dataset         = optional(string)
    config_file     = optional(string)
    webhooks        = optional(bool, true)
  }))

  validation {
    condition     = length(var.organizations) > 0
    error_message = "organizations needs at least one, like { acme = { organization_id = \"12345\" } }."
  }

  validation {
    condition     = alltrue([for name in keys(var.organizations) : can(regex("^[a-z][a-z0-9-]{0,18}[a-z0-9]$|^[a-z]$", name))])
    error_message = "The short name of an organization has 1 to 20 lower-case letters, digits and dashes, a letter first and no dash last."
  }

  validation {
    condition     = alltrue([for one in values(var.organizations) : can(regex("^[0-9]{1,20}$", one.organization_id))])
    error_message = "organization_id is the number before the first dash in Productive's web address, in quotes: \"12345\"."
  }

  validation {
    condition     = length(distinct([for one in values(var.organizations) : one.organization_id])) == length(var.organizations)
    error_message = "Each organization_id may be there once: two crawls of one organization would share its rate limit."
  }

  validation {
    condition     = alltrue([for one in values(var.organizations) : one.dataset == null ? true : can(regex("^[A-Za-z_][A-Za-z0-9_]{0,1023}$", one.dataset))])
    error_message = "A dataset has letters, digits and underscores, and no digit first."
  }

  validation {
    condition = length(distinct([
      for name, one in var.organizations : one.dataset != null ? one.dataset : replace("${var.prefix}_${name}", "-", "_")
    ])) == length(var.organizations)
    error_message = "Each organization needs a dataset of its own: their tables have the same names."
  }

  validation {
    condition     = alltrue([for one in values(var.organizations) : one.config_file == null ? true : fileexists(one.config_file)])
    error_message = "A config_file is not there. Its path is seen from the folder where terraform runs."
  }
}

# ---------------------------------------------------------------------------------------------------------
# What runs, and where
# ---------------------------------------------------------------------------------------------------------

variable "image" {
  description = "The container image of all services, best with its digest: REGION-docker.pkg.dev/PROJECT/productive/productive-ingest@sha256:... Empty: everything but the services is made, the repository for the image among it."
  type        = string
  default     = ""

  validation {
    condition     = var.image == "" || can(regex("^[a-z0-9.-]+(:[0-9]+)?/[a-z0-9._/-]+(:[A-Za-z0-9._-]+)?(@sha256:[0-9a-f]{64})?$", var.image))
    error_message = "image is an address like europe-west1-docker.pkg.dev/acme-data/productive/productive-ingest:0.1.0, without https://."
  }
}

variable "region" {
  description = "Where the services, their schedules, the image and the bucket are. Moving it later means a full crawl; see docs/deploy.md."
  type        = string
  default     = "europe-west1"

  validation {
    condition     = can(regex("^[a-z]+(-[a-z]+)+[0-9]+$", var.region))
    error_message = "region is one of Cloud Run's, like europe-west1; not a zone (europe-west1-b) and not a multi-region (EU)."
  }
}

variable "bigquery_location" {
  description = "Where the datasets are: EU, US or a region. Cannot be changed once there are tables."
  type        = string
  default     = "EU"

  validation {
    condition     = can(regex("^(EU|US|[a-z]+(-[a-z]+)+[0-9]+)$", var.bigquery_location))
    error_message = "bigquery_location is EU, US, or a region like europe-west3."
  }
}

variable "prefix" {
  description = "What all names begin with. Another one makes a second installation beside the first in the same project."
  type        = string
  default     = "productive"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,8}[a-z0-9]$", var.prefix)) && !startswith(var.prefix, "goog")
    error_message = "prefix has 3 to 10 lower-case letters, digits and dashes, a letter first and no dash last; Google keeps \"goog\" to itself."
  }
}

variable "labels" {
  description = "Labels on everything that takes labels, to find it in the bill."
  type        = map(string)
  default     = {}

  validation {
    condition = alltrue([
      for key, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))
    ])
    error_message = "Labels and their values have lower-case letters, digits, dashes and underscores, up to 63."
  }
}

# ---------------------------------------------------------------------------------------------------------
# Who may do what
# ---------------------------------------------------------------------------------------------------------

variable "operators" {
  description = "Who runs the commands against this installation (webhooks register, deadletters, purge, doctor), like [\"user:ada@example.com\", \"group:data@example.com\"]. They get the rights that docs/doctor.md lists for `operator`."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for one in var.operators : can(regex("^(user|group|serviceAccount):[^@ ]+@[^@ ]+$", one))])
    error_message = "An operator is written as IAM does: user:NAME@DOMAIN, group:NAME@DOMAIN or serviceAccount:NAME@DOMAIN."
  }
}

variable "readers" {
  description = "Who may query the tables, written like operators. Reading a whole project's BigQuery is none of this: they need roles/bigquery.jobUser somewhere to pay for their queries."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for one in var.readers : can(regex("^(user|group|serviceAccount):[^@ ]+@[^@ ]+$", one))])
    error_message = "A reader is written as IAM does: user:NAME@DOMAIN, group:NAME@DOMAIN or serviceAccount:NAME@DOMAIN."
  }
}

variable "invoker_iam_disabled" {
  description = "How the receiver is opened to Productive, who signs its deliveries and has no Google account: false lets allUsers invoke it; true switches the check off, which is the way where the policy of your Google Cloud organization forbids allUsers."
  type        = bool
  default     = false
}

# ---------------------------------------------------------------------------------------------------------
# What it costs and how fast it is; docs/costs.md has the prices
# ---------------------------------------------------------------------------------------------------------

variable "ingest" {
  description = "The receiver: instances that always run (1 keeps deliveries being read; 0 lets them wait until the next one comes), the most there may be, CPUs and memory of each."
  type = object({
    min_instances = optional(number, 1)
    max_instances = optional(number, 3)
    cpu           = optional(string, "1")
    memory        = optional(string, "512Mi")
  })
  default = {}

  validation {
    condition     = var.ingest.min_instances >= 0 && var.ingest.max_instances >= 1 && var.ingest.min_instances <= var.ingest.max_instances && var.ingest.max_instances <= 20
    error_message = "ingest: 0 <= min_instances <= max_instances <= 20, and max_instances at least 1."
  }

  validation {
    condition     = contains(["1", "2", "4"], var.ingest.cpu) && can(regex("^[1-9][0-9]*(Mi|Gi)$", var.ingest.memory))
    error_message = "ingest: cpu is \"1\", \"2\" or \"4\" (less than one is not to be had while the CPU is always on), memory like 512Mi or 1Gi."
  }
}

variable "writer" {
  description = "The writer: how many instances run, CPUs and memory of each. One writes thousands of rows a second."
  type = object({
    instances = optional(number, 1)
    cpu       = optional(string, "1")
    memory    = optional(string, "1Gi")
  })
  default = {}

  validation {
    condition     = var.writer.instances >= 0 && var.writer.instances <= 20 && floor(var.writer.instances) == var.writer.instances
    error_message = "writer: 0 to 20 instances; with 0 nothing is written, and what is published waits for seven days."
  }

  validation {
    condition     = contains(["1", "2", "4"], var.writer.cpu) && can(regex("^[1-9][0-9]*(Mi|Gi)$", var.writer.memory))
    error_message = "writer: cpu is \"1\", \"2\" or \"4\", memory like 1Gi."
  }
}

variable "schedules" {
  description = "When what runs, in cron's five fields, in time_zone: changes (a crawl of what has changed), everything (all tables read whole and compared, which finds what was deleted), verify (counts and samples against Productive), webhooks (what Productive has switched off is made anew). Empty: never by itself."
  type = object({
    changes    = optional(string, "7 * * * *")
    everything = optional(string, "20 1 * * 0")
    verify     = optional(string, "50 5 * * 0")
    webhooks   = optional(string, "*/30 * * * *")
  })
  default = {}

  validation {
    condition     = alltrue([for one in values(var.schedules) : one == "" || can(regex("^(\\S+ ){4}\\S+$", one))])
    error_message = "A schedule has cron's five fields, like \"7 * * * *\", or is empty."
  }
}

variable "time_zone" {
  description = "The time zone of the schedules, as the tz database names it."
  type        = string
  default     = "Etc/UTC"

  validation {
    condition     = can(regex("^[A-Za-z_]+(/[A-Za-z0-9_+-]+)*$", var.time_zone))
    error_message = "time_zone is a name like Europe/Berlin."
  }
}

# ---------------------------------------------------------------------------------------------------------
# Who hears of trouble
# ---------------------------------------------------------------------------------------------------------

variable "alert_emails" {
  description = "Who gets alerts. With none they are only shown in the console."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for one in var.alert_emails : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", one))])
    error_message = "alert_emails are addresses like data@example.com."
  }
}

variable "freshness_hours" {
  description = "For how long a table may go without having been read to its end before somebody is told; more than the longest gap of schedules.changes."
  type        = number
  default     = 6

  validation {
    # Cloud Monitoring looks back for no longer than 23 and a half hours where something is absent.
    condition     = var.freshness_hours >= 1 && var.freshness_hours <= 23 && floor(var.freshness_hours) == var.freshness_hours
    error_message = "freshness_hours is a whole number from 1 to 23: Cloud Monitoring looks back no further."
  }
}

variable "billing_account" {
  description = "Id of the billing account, like 012345-6789AB-CDEF01, to have a budget that warns at 50, 90 and 100 %. Needs rights on the billing account; empty: no budget."
  type        = string
  default     = ""

  validation {
    condition     = var.billing_account == "" || can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.billing_account))
    error_message = "billing_account is an id like 012345-6789AB-CDEF01; `gcloud billing accounts list` shows it."
  }
}

variable "monthly_budget" {
  description = "The budget for a month, in whole units of the billing account's currency. It warns; it stops nothing."
  type        = number
  default     = 200

  validation {
    condition     = var.monthly_budget >= 1 && floor(var.monthly_budget) == var.monthly_budget
    error_message = "monthly_budget is a whole number of at least 1."
  }
}

# ---------------------------------------------------------------------------------------------------------
# What is kept
# ---------------------------------------------------------------------------------------------------------

variable "keep_data" {
  description = "Whether `terraform destroy` refuses to remove what cannot be had again: datasets with tables, buckets with objects, the keys of pseudonyms and of purged records. Everything else goes in any case."
  type        = bool
  default     = true
}

variable "dead_letter_archive_days" {
  description = "For how long dead letters are kept as files in the bucket, beside the 31 days for which Pub/Sub has them; 0: no archive. `purge` does not reach into the archive: with personal data, keep it short."
  type        = number
  default     = 90

  validation {
    condition     = var.dead_letter_archive_days >= 0 && var.dead_letter_archive_days <= 3650 && floor(var.dead_letter_archive_days) == var.dead_letter_archive_days
    error_message = "dead_letter_archive_days is a whole number from 0 to 3650."
  }
}

variable "bigquery_kms_key" {
  description = "A key of Cloud KMS that encrypts the tables, like projects/P/locations/L/keyRings/R/cryptoKeys/K, in the location of the datasets; empty: Google's own key. BigQuery's account has to be there before: `bq show --encryption_service_account --project_id PROJECT` makes it."
  type        = string
  default     = ""

  validation {
    condition     = var.bigquery_kms_key == "" || can(regex("^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$", var.bigquery_kms_key))
    error_message = "bigquery_kms_key is a name like projects/P/locations/europe/keyRings/R/cryptoKeys/K, without a version."
  }
}
