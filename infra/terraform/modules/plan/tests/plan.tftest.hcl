# Runs without a provider: terraform -chdir=infra/terraform/modules/plan test

variables {
  domain = "voice.example.com"
  zones = {
    eu = {
      jurisdictions   = ["EU"]
      registry_region = "eu-central-1"
      secrets         = { api_keys = "antipode/eu/api-keys", token_secret = "antipode/eu/token-secret", backbone_ca = "antipode/eu/backbone-ca", ai_services = "antipode/eu/ai-services" }
    }
    world = {
      registry_region = "us-east-1"
      secrets         = { api_keys = "antipode/world/api-keys", token_secret = "antipode/world/token-secret", backbone_ca = "antipode/world/backbone-ca", ai_services = "antipode/world/ai-services" }
    }
  }
  regions = {
    us-east-1      = { index = 1, zone = "world" }
    eu-central-1   = { index = 2, zone = "eu" }
    ap-southeast-2 = { index = 3, zone = "world" }
  }
}

run "each_region_has_a_range_of_its_own" {
  command = plan

  assert {
    condition     = { for code, network in output.networks : code => network.cidr } == { "us-east-1" = "10.65.0.0/16", "eu-central-1" = "10.66.0.0/16", "ap-southeast-2" = "10.67.0.0/16" }
    error_message = "Ranges follow from the index and nothing else."
  }

  assert {
    condition     = output.networks["ap-southeast-2"].private == ["10.67.0.0/18", "10.67.64.0/18", "10.67.128.0/18"]
    error_message = "Cores have three quarters of the range."
  }

  assert {
    condition = [output.networks["ap-southeast-2"].public, output.networks["ap-southeast-2"].registry, output.networks["ap-southeast-2"].backbone] == [
      ["10.67.192.0/20", "10.67.208.0/20", "10.67.224.0/20"],
      ["10.67.240.0/24", "10.67.241.0/24", "10.67.242.0/24"],
      ["10.67.255.0/28", "10.67.255.16/28", "10.67.255.32/28"],
    ]
    error_message = "The last quarter is cut into POPs', the registry's and the backbone's subnets, which do not overlap."
  }
}

run "the_backbone_stays_within_a_zone" {
  command = plan

  assert {
    condition     = output.pairs == { "ap-southeast-2_us-east-1" = { from = "ap-southeast-2", to = "us-east-1" } }
    error_message = "Sydney and Virginia are of one zone; Frankfurt is alone in its own."
  }

  assert {
    condition     = output.networks["eu-central-1"].peers == ["10.66.0.0/16"]
    error_message = "Nodes in Frankfurt talk to Frankfurt only."
  }

  assert {
    condition     = sort(output.networks["us-east-1"].peers) == tolist(["10.65.0.0/16", "10.67.0.0/16"])
    error_message = "Nodes in Virginia talk to Virginia and Sydney."
  }
}

run "sydney_is_one_line" {
  command = plan

  variables {
    regions = {
      us-east-1    = { index = 1, zone = "world" }
      eu-central-1 = { index = 2, zone = "eu" }
    }
  }

  assert {
    condition     = output.networks["us-east-1"].cidr == run.each_region_has_a_range_of_its_own.networks["us-east-1"].cidr && length(output.pairs) == 0
    error_message = "A region more changes no range of those that are there."
  }
}

run "pops_have_names_and_addresses_wait_for_more_of_them" {
  command = plan

  variables {
    regions = {
      us-east-1    = { index = 1, zone = "world", pops = { min = 0, max = 0 } }
      eu-central-1 = { index = 2, zone = "eu" }
      sa-east-1    = { index = 4, zone = "world", pops = { min = 1, max = 3 }, cores = { min = 0, max = 0 } }
    }
  }

  assert {
    condition = { for id, pop in output.pops : id => [pop.name, pop.always] } == {
      "eu-central-1-pop-1" = ["pop-1.eu-central-1.voice.example.com", true]
      "eu-central-1-pop-2" = ["pop-2.eu-central-1.voice.example.com", false]
      "sa-east-1-pop-1"    = ["pop-1.sa-east-1.voice.example.com", true]
      "sa-east-1-pop-2"    = ["pop-2.sa-east-1.voice.example.com", false]
      "sa-east-1-pop-3"    = ["pop-3.sa-east-1.voice.example.com", false]
    }
    error_message = "A name for each POP that there may be."
  }

  assert {
    condition     = output.join_names == { eu = "join.eu.voice.example.com", world = "join.world.voice.example.com" }
    error_message = "A joining name a zone."
  }
}

run "the_world_has_a_node_for_each_that_runs_at_the_least" {
  command = plan

  assert {
    condition     = [for node in output.worlds["eu"].nodes : node.nodeId] == ["eu-central-1-pop-1", "eu-central-1-core-1", "eu-central-1-core-2", "eu-central-1-core-3", "eu-central-1-core-4", "eu-central-1-core-5", "eu-central-1-core-6", "eu-central-1-core-7"]
    error_message = "One POP, and seven cores on one machine of eight CPUs."
  }

  assert {
    condition     = length([for node in output.worlds["world"].nodes : node if node.role == "core" && node.region == "ap-southeast-2"]) == 7
    error_message = "A region added is a region placed."
  }

  assert {
    condition     = alltrue([for node in output.worlds["world"].nodes : node.stores.registry == "us-east-1"])
    error_message = "Each node says where its sessions' records are."
  }
}

run "refuses_an_eu_zone_with_a_us_region" {
  command = plan

  variables {
    regions = {
      us-east-1    = { index = 1, zone = "world" }
      eu-central-1 = { index = 2, zone = "eu" }
      us-west-2    = { index = 3, zone = "eu" }
    }
  }

  expect_failures = [var.regions]
}

run "refuses_a_region_without_a_jurisdiction" {
  command = plan

  variables {
    regions = {
      us-east-1    = { index = 1, zone = "world" }
      eu-central-1 = { index = 2, zone = "eu" }
      xx-north-1   = { index = 3, zone = "world" }
    }
  }

  expect_failures = [var.regions]
}

run "takes_a_region_that_only_the_operator_knows" {
  command = plan

  variables {
    regions = {
      us-east-1    = { index = 1, zone = "world" }
      eu-central-1 = { index = 2, zone = "eu" }
      xx-north-1   = { index = 3, zone = "eu", jurisdiction = "EU" }
    }
  }

  assert {
    condition     = output.networks["xx-north-1"].jurisdiction == "EU"
    error_message = "The operator's word holds where the list has none."
  }
}

run "refuses_a_jurisdiction_against_the_list" {
  command = plan

  variables {
    regions = {
      us-east-1    = { index = 1, zone = "eu", jurisdiction = "EU" }
      eu-central-1 = { index = 2, zone = "eu" }
    }
  }

  expect_failures = [var.regions]
}

run "refuses_overlapping_ranges_by_index" {
  command = plan

  variables {
    regions = {
      us-east-1    = { index = 2, zone = "world" }
      eu-central-1 = { index = 2, zone = "eu" }
    }
  }

  expect_failures = [output.networks]
}

run "refuses_overlapping_ranges_by_cidr" {
  command = plan

  variables {
    regions = {
      us-east-1    = { index = 1, zone = "world" }
      eu-central-1 = { index = 2, zone = "eu", cidr = "10.65.0.0/16" }
    }
  }

  expect_failures = [output.networks]
}

run "refuses_a_range_of_the_clusters_services" {
  command = plan

  variables {
    regions = {
      us-east-1    = { index = 1, zone = "world" }
      eu-central-1 = { index = 2, zone = "eu", cidr = "172.20.0.0/16" }
    }
  }

  expect_failures = [output.networks]
}

run "refuses_an_index_outside_of_the_supernet" {
  command = plan

  variables {
    regions = {
      us-east-1    = { index = 64, zone = "world" }
      eu-central-1 = { index = 2, zone = "eu" }
    }
  }

  expect_failures = [var.regions]
}

run "refuses_a_zone_with_no_core" {
  command = plan

  variables {
    regions = {
      us-east-1    = { index = 1, zone = "world" }
      eu-central-1 = { index = 2, zone = "eu", cores = { min = 0 } }
    }
  }

  expect_failures = [var.regions]
}

run "refuses_a_zone_with_no_pop" {
  command = plan

  variables {
    regions = {
      us-east-1    = { index = 1, zone = "world" }
      eu-central-1 = { index = 2, zone = "eu", pops = { min = 0 } }
    }
  }

  expect_failures = [var.regions]
}

run "refuses_a_pop_without_a_reachable_address" {
  command = plan

  variables {
    domain = "voice"
  }

  expect_failures = [var.domain]
}

run "refuses_a_zone_without_its_registry" {
  command = plan

  variables {
    regions = {
      us-east-1 = { index = 1, zone = "world" }
      eu-west-1 = { index = 2, zone = "eu" }
    }
  }

  expect_failures = [var.regions]
}

run "refuses_a_missing_secret" {
  command = plan

  variables {
    zones = {
      eu = {
        jurisdictions   = ["EU"]
        registry_region = "eu-central-1"
        secrets         = { api_keys = "", token_secret = "b", backbone_ca = "c", ai_services = "d" }
      }
    }
    regions = {
      eu-central-1 = { index = 2, zone = "eu" }
    }
  }

  expect_failures = [var.zones]
}

run "refuses_an_old_engine" {
  command = plan

  variables {
    zones = {
      eu = {
        jurisdictions   = ["EU"]
        registry_region = "eu-central-1"
        registry        = { engine_version = "6.0" }
        secrets         = { api_keys = "a", token_secret = "b", backbone_ca = "c", ai_services = "d" }
      }
    }
    regions = {
      eu-central-1 = { index = 2, zone = "eu" }
    }
  }

  expect_failures = [var.zones]
}

run "refuses_media_ports_within_the_backbones" {
  command = plan

  variables {
    ports = { media_first = 45050 }
  }

  expect_failures = [var.ports]
}

run "refuses_a_public_supernet" {
  command = plan

  variables {
    supernet = "8.0.0.0/10"
  }

  expect_failures = [var.supernet]
}
