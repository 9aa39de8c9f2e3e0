insert into {schema}.scheduler (id, name, address, feature_level, started_us)
values ($1, $2, $3, $4, $5)
on conflict (id) do update set name = excluded.name, address = excluded.address,
  feature_level = excluded.feature_level, started_us = excluded.started_us
