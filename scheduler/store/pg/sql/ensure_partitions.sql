-- $1 span of a partition in microseconds, $2 its run ids. Returns how many partitions were made.
select {schema}.ensure_partitions_1($1, $2)
