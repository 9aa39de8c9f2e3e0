-- Tries the lock and gives it back at once. Shared, so that two who ask do not see each other.
select case when pg_try_advisory_lock_shared(hashtextextended('{schema}', 0) # $1)
            then pg_advisory_unlock_shared(hashtextextended('{schema}', 0) # $1) else false end
