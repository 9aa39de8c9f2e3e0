-- Of schema $1, until the end of the transaction. A session that waited would hold back vacuum.
select pg_try_advisory_xact_lock(hashtextextended('penstock migration of ' || $1, 0))
