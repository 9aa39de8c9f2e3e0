-- Under a short lock_timeout: waiting for a long reader would hold up every flush behind it.
select {schema}.drop_partition_1($1)
