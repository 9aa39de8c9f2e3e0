-- That the database was away says nothing against what the owner was doing.
update {schema}.domain set loads_without_progress = loads_without_progress - 1 where id = $1
