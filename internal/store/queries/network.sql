-- name: SecurityGroupInsertIfAbsent :exec
INSERT INTO security_groups (account_id, region, security_group_id, vpc_id, name)
VALUES (@account_id, @region, @security_group_id, @vpc_id, @name) ON CONFLICT DO NOTHING;

-- name: SecurityGroupListByIDs :many
SELECT * FROM security_groups
WHERE account_id = @account_id AND region = @region AND security_group_id = ANY(@security_group_ids::text[]);

-- name: SubnetInsertManyIfAbsent :exec
INSERT INTO subnets (account_id, region, subnet_id, vpc_id, availability_zone, cidr_block)
SELECT @account_id, @region, unnest(@subnet_ids::text[]), @vpc_id, unnest(@zones::text[]), unnest(@cidr_blocks::text[])
ON CONFLICT DO NOTHING;

-- name: SubnetListByIDs :many
SELECT * FROM subnets WHERE account_id = @account_id AND region = @region AND subnet_id = ANY(@subnet_ids::text[]);

-- name: VPCGetDefault :one
SELECT * FROM vpcs WHERE account_id = @account_id AND region = @region AND is_default;

-- name: VPCInsertIfAbsent :exec
INSERT INTO vpcs (account_id, region, vpc_id, is_default, cidr_block)
VALUES (@account_id, @region, @vpc_id, @is_default, @cidr_block) ON CONFLICT DO NOTHING;
