select pg_advisory_unlock(hashtextextended('{schema}', 0) # $1)
