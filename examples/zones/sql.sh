#!/bin/sh
# sql.sh FILE [PSQL-OPTION...]: runs an SQL file against $DATABASE, in the schema of this run. An
# attempt that is repeated finds what an earlier one left, so every file can run twice.
set -eu
file=$1
shift
schema="run_$PENSTOCK_RUN_ID"
export PGOPTIONS="-c client_min_messages=warning -c search_path=$schema,public"
exec psql -X -q -v ON_ERROR_STOP=1 -v schema="$schema" "$@" -f "$file" "$DATABASE"
