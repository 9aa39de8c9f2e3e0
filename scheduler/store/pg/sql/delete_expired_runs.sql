-- At most $3 runs of partition $1 that finished before $2. Returns their ids.
delete from {schema}.run r
 where r.id = any(array(
         select e.id from {schema}.run e
          where e.id >= $1::bigint << 40 and e.id < ($1::bigint + 1) << 40
            and e.state not in (0, 1) and e.finished_us < $2
          order by e.id limit $3 for update skip locked))
   and r.state not in (0, 1) and r.finished_us < $2
returning r.id
