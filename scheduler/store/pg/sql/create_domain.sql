insert into {schema}.domain default values returning id
