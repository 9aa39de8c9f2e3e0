begin;
drop table if exists joined;
create table :schema.joined as
select c.alpha_2, c.alpha_3, c.name as country, z.zone, z.latitude, z.longitude
  from countries_in c
  left join zones_in z using (alpha_2);
commit;
select count(distinct country) as countries, count(zone) as zones,
       count(*) filter (where zone is null) as without_zone from joined;
