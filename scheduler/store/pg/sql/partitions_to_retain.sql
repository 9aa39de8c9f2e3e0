-- Partitions that may hold runs finished before the cutoff $1, oldest first. whole = nothing else
-- is in there and nobody can add to it: it is emptied and dropped as a whole. Where only a part has
-- expired, a closed partition waits until all has, unless a live run or a domain holds it back.
select p.number, p.closed_us < $1 and not s.busy and not s.young and not s.held as whole
  from {schema}.partition p
 cross join lateral (
   select exists (select from {schema}.domain d where d.id_partition = p.number) as held,
          exists (select from {schema}.live_run l where l.run_id >= p.number::bigint << 40
                     and l.run_id < (p.number::bigint + 1) << 40) as busy,
          exists (select from {schema}.run r where r.id >= p.number::bigint << 40
                     and r.id < (p.number::bigint + 1) << 40
                     and r.state not in (0, 1) and r.finished_us >= $1) as young) s
 where p.opened_us < $1 and (p.closed_us is null or s.busy or s.held or not s.young)
 order by p.number
