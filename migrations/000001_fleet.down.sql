DROP TABLE addresses, cluster_maps, endpoint_specs, endpoints, nodes, agents, join_tokens, installation;
