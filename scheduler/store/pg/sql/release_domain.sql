update {schema}.domain set owner = 0, id_partition = null where id = $1 and epoch = $2 returning id
