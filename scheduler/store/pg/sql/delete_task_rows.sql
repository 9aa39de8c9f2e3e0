-- What the deleted runs $2 of partition $1 leave behind.
select {schema}.delete_task_rows_1($1, $2)
