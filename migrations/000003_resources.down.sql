DROP TABLE tags, events, cache_clusters, node_groups, replication_groups,
    cache_subnet_group_subnets, cache_subnet_groups, security_groups, subnets, vpcs;
