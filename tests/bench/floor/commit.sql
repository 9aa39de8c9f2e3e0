-- The least durable step: one row, one commit.
insert into floor_commit default values;
