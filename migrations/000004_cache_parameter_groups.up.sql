-- Custom cache parameter groups. The default groups of the families have no rows: they are the same
-- for everyone and never change.
CREATE TABLE cache_parameter_groups (
    uid         uuid PRIMARY KEY,
    account_id  text NOT NULL,
    region      text NOT NULL,
    name        text NOT NULL,                 -- lower case, never default.*
    family      text NOT NULL,                 -- redis7
    description text NOT NULL,
    created_at  timestamptz NOT NULL,
    UNIQUE (account_id, region, name)
);

-- The values that a user has set; every other parameter has its family's default.
CREATE TABLE cache_parameter_group_values (
    parameter_group_uid uuid NOT NULL REFERENCES cache_parameter_groups ON DELETE CASCADE,
    name                text NOT NULL,
    value               text NOT NULL,
    PRIMARY KEY (parameter_group_uid, name)
);

-- Which groups use a parameter group. A group's creation holds the parameter group's row, so that it
-- is not deleted meanwhile.
CREATE INDEX replication_groups_parameter_group ON replication_groups (account_id, region, parameter_group_name);

-- Set with a change of the parameter group's values, cleared by the reconciler when every node has
-- taken them in.
ALTER TABLE replication_groups ADD COLUMN parameters_pending boolean NOT NULL DEFAULT false;
CREATE INDEX replication_groups_parameters_pending ON replication_groups (uid) WHERE parameters_pending;
