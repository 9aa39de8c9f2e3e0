-- In one transaction: readers see the tables of the last run or of this one.
begin;
create table if not exists public.countries
  (alpha_2 text primary key, alpha_3 text not null unique, name text not null);
create table if not exists public.zones
  (alpha_2 text references public.countries, zone text,
   latitude numeric not null, longitude numeric not null, primary key (alpha_2, zone));
lock table public.countries, public.zones in exclusive mode;
delete from public.zones;
delete from public.countries;
insert into public.countries select distinct alpha_2, alpha_3, country from joined;
insert into public.zones select alpha_2, zone, latitude, longitude from joined
 where zone is not null;
commit;
select (select count(*) from public.countries) as countries,
       (select count(*) from public.zones) as zones;
