select nextval('{schema}.dag_id')
