select {schema}.take_ids_1($1, $2, $3)
