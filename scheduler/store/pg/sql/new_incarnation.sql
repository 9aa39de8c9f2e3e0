select {schema}.new_incarnation_1($1)
