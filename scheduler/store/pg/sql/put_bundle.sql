insert into {schema}.bundle (hash, bytes) values ($1, decode($2, 'hex')) on conflict do nothing
