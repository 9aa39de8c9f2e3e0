-- One beat of scheduler $1, and the view: row kind s = schedulers, d = domains, i = incarnation.
with me as (update {schema}.scheduler set beat = beat + 1 where id = $1 returning id)
select 's' as kind, s.id, s.name, s.address, s.beat + (s.id = $1)::int, s.feature_level,
       s.started_us
  from {schema}.scheduler s
union all
select 'd', d.id, d.trouble,
       case when d.identity not in ('', (select {schema}.identity_1())) then 'moved' else '' end,
       d.epoch, d.feature_level, d.owner
  from {schema}.domain d
union all
select 'f', d.id, '', '', coalesce(f.flush_seq, 0), 0, 0
  from {schema}.domain d
  left join lateral (
    select flush_seq from {schema}.domain_flush where domain_id = d.id
     order by flush_seq desc limit 1) f on true
union all
select 'i', {schema}.incarnation_1(), '', '', (select count(*) from me), 0, 0
 order by 1, 2
