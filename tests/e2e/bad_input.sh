#!/bin/bash
# Whatever is thrown at it: a clear error that names the place, and a cluster that goes on. What
# the client would refuse by itself is also sent to the scheduler by hand (when curl can).
. "$(dirname "$0")/lib.sh"
cluster --slots 4
cd "$work" || exit 1

# field NUMBER FILE: a protobuf field of bytes.
field() {
  local size
  size=$(stat -c %s "$2")
  printf "\\x$(printf %x $(($1 << 3 | 2)))"
  while [ "$size" -ge 128 ]; do
    printf "\\x$(printf %x $((size & 127 | 128)))"
    size=$((size >> 7))
  done
  printf "\\x$(printf %x "$size")"
  cat "$2"
}
# send METHOD FILE: a request in gRPC's framing; prints the status and its text.
send() {
  local size
  size=$(printf %08x "$(stat -c %s "$2")")
  { printf '\0'; printf "\\x${size:0:2}\\x${size:2:2}\\x${size:4:2}\\x${size:6:2}"; cat "$2"; } >frame
  curl -sS --max-time 30 --http2-prior-knowledge -H 'content-type: application/grpc' \
    -H 'te: trailers' --data-binary @frame -D headers -o answer \
    "http://$PENSTOCK_ADDRESS/penstock.v1.ControlService/$1"
  grep -ai '^grpc-' headers | tr -d '\r'
  # gRPC's INVALID_ARGUMENT, RESOURCE_EXHAUSTED and FAILED_PRECONDITION are refusals.
  case $(sed -n 's/^grpc-status: \([0-9]*\).*/\1/pi' headers | tail -n 1) in
    3 | 8 | 9) return 4 ;;
    0) return 0 ;;
    *) return 9 ;;
  esac
}
can_send=no
curl --version 2>/dev/null | grep -q HTTP2 && can_send=yes

# refused WHAT PATTERN FILE: by the client, and by the scheduler when the client lets it pass.
refused() {
  expect "$1" 2 "$2" penstock dag lint "$3"
  expect "$1: apply" 2 "$2" penstock apply "$3"
  [ "$can_send" = yes ] || return
  field 2 "$3" >request
  expect "$1: sent by hand" 4 '^grpc-message' send ApplyDag request
}
bad() { # WHAT PATTERN TEXT, with printf's escapes
  # shellcheck disable=SC2059  # the text is the format
  printf "$3" >bad.yaml
  refused "$1" "$2" bad.yaml
}

bad "a cycle" ':3:.*a -> b -> c -> a' \
  'dag: d\ntasks:\n  a: {needs: c, noop: }\n  b: {needs: a, noop: }\n  c: {needs: b, noop: }\n'
bad "a self edge" ':3:.*cannot wait for itself' 'dag: d\ntasks:\n  a: {needs: a, noop: }\n'
bad "an unknown upstream" ':4:.*did you mean "load"' \
  'dag: d\ntasks:\n  load: {noop: }\n  b: {needs: laod, noop: }\n'
bad "an unknown key" ':3:.*did you mean "retries"' 'dag: d\ntasks:\n  a: {noop: , retires: 3}\n'
bad "a duplicate key" ':4:3: duplicate key "a"' 'dag: d\ntasks:\n  a: {noop: }\n  a: {noop: }\n'
bad "NUL in a file" 'NUL' 'dag: d\ntasks:\n  a: {sh: "a\000b"}\n'
bad "an empty file" 'empty' ''
bad "a default of the wrong type" ':3:.*type integer' \
  'dag: d\nparams:\n  n: {type: integer, default: many}\ntasks: {a: {noop: }}\n'
{
  printf 'dag: d\nx0: &x0 [a, a, a, a, a, a, a, a, a]\n'
  for i in $(seq 9); do
    printf 'x%d: &x%d [' "$i" "$i"
    for _ in 1 2 3 4 5 6 7 8; do printf '*x%d, ' $((i - 1)); done
    printf '*x%d]\n' $((i - 1))
  done
  printf 'tasks: {a: {noop: }}\n'
} >bomb.yaml
refused "an alias bomb" ':2:.*anchors' bomb.yaml
{ printf 'dag: d\ntasks: '; head -c 100000 /dev/zero | tr '\0' '['; } >deep.yaml
refused "brackets without end" ':2:' deep.yaml
{ printf 'dag: d\ntasks:\n'; seq -f '  t%.0f: {noop: }' 100001; } >many.yaml
refused "100,001 tasks" '100001 tasks, more than the limit of 100000' many.yaml

# Not UTF-8: a field of text, so gRPC itself may refuse it; no matter who.
printf 'dag: d\ntasks:\n  a: {sh: "a\xff\xfeb"}\n' >bad.yaml
expect "bytes that are not UTF-8" 2 ':3:13: byte 0xff' penstock apply bad.yaml
if [ "$can_send" = yes ]; then
  field 2 bad.yaml >request
  send ApplyDag request >said.txt
  same "not UTF-8, sent by hand" refused "$([ $? = 0 ] && echo taken || echo refused)"
fi

# Sizes: of the file, of what it travels with.
truncate -s 100M big.yaml
expect "a file of 100 MB" 2 'larger than 4194304 bytes' penstock apply big.yaml
expect "an endless file" 2 'larger than 4194304 bytes' sh -c "yes | '$bin/penstock' apply -"
if [ "$can_send" = yes ]; then
  head -c 5000000 /dev/zero | tr '\0' '#' >large.yaml
  field 2 large.yaml >request
  expect "5 MB, sent by hand" 4 'file' send ApplyDag request
  head -c 100000000 /dev/zero | tr '\0' '#' >large.yaml
  field 2 large.yaml >request
  send ApplyDag request >said.txt 2>&1
  same "100 MB, sent by hand" refused "$([ $? = 0 ] && echo taken || echo refused)"
  rm -f large.yaml request frame
fi
{
  printf 'dag: full\nfiles: [payload]\ntasks:\n'
  for i in $(seq 60); do
    printf '  t%d:\n    sh: |\n      test $(stat -c %%s payload) = 16777216\n' "$i"
    # 65,000 bytes of comment
    head -c 64900 /dev/zero | tr '\0' 'x' | sed 's/^/      # /'
    echo
  done
} >full.yaml
size=$(stat -c %s full.yaml)
{ printf '#'; head -c $((4194304 - size - 2)) /dev/zero | tr '\0' 'y'; echo; } >>full.yaml
same "a file of 4 MiB" 4194304 "$(stat -c %s full.yaml)"
head -c 16777216 /dev/urandom >payload
expect "4 MiB with 16 MiB of files" 0 'full new' penstock apply full.yaml
expect "it runs" 0 success penstock trigger full --watch
head -c 17000000 /dev/zero >payload
expect "17 MB of files" 2 'payload|16' penstock apply full.yaml
expect "17 MB of files, past the client" 4 'at most 16777216' \
  penstock apply full.yaml --max-bundle 20M
head -c 30000000 /dev/zero >payload
expect "30 MB of files, past the client" 4 'larger' penstock apply full.yaml --max-bundle 40M
rm payload
expect "files that are not there" 2 'payload' penstock apply full.yaml

# What only the cluster can know.
penstock pool set small 2 >/dev/null
printf 'dag: wide\ntasks:\n  a: {pool: {name: small, slots: 3}, sh: "true"}\n' >wide.yaml
printf 'dag: lost\ntasks:\n  a: {pool: nowhere, sh: "true"}\n' >lost.yaml
expect "more slots than the pool has" 4 'wide.yaml: task a asks for 3 slots of pool small' \
  penstock apply wide.yaml
expect "a pool that does not exist" 4 'penstock pool set nowhere' penstock apply lost.yaml
penstock pool set small 3 >/dev/null
expect "as many slots as it has" 0 'wide new' penstock apply wide.yaml
penstock pool set small 2 >/dev/null
expect "a pool that has shrunk since" 4 'a asks for 3 slots of pool small, which has 2' \
  penstock trigger wide
printf 'dag: given\nparams:\n  who: {type: string, required: true}\n  n: {type: integer, default: 1}\n  c: {enum: [red, blue], default: red}\ntasks:\n  a: {sh: "true"}\n' >given.yaml
penstock apply given.yaml >/dev/null
expect "a missing parameter" 4 'who' penstock trigger given
expect "a parameter of the wrong type" 4 'n.*integer' penstock trigger given -p who=me -p n=many
expect "a parameter outside its enum" 4 'c.*red' penstock trigger given -p who=me -p c=green
expect "an unknown parameter" 4 'wo' penstock trigger given -p who=me -p wo=1
expect "parameters as wished" 0 success penstock trigger given -p who=me -p n=7 -p c=blue --watch

# What tasks write. The commands are printf's, of the shell that runs them.
cat >writers.yaml <<'DAG'
dag: writers
tasks:
  nul_output: {sh: 'printf "a=b\000c\n" >"$PENSTOCK_OUTPUT"'}
  bad_output: {sh: 'printf "ok=1\na=\377\376\n" >"$PENSTOCK_OUTPUT"'}
  deep_output: {sh: 'head -c 100000 /dev/zero | tr "\000" "[" >"$PENSTOCK_OUTPUT"; echo >>"$PENSTOCK_OUTPUT"'}
  big_output: {sh: 'head -c 50000000 /dev/zero | tr "\000" "x" >"$PENSTOCK_OUTPUT"'}
  link_output: {sh: 'rm -f "$PENSTOCK_OUTPUT"; ln -s /etc/passwd "$PENSTOCK_OUTPUT"'}
  bytes_log: {sh: 'printf "nul\000bad\377\376 \033[2Jend\n"; head -c 100000 /dev/urandom'}
  fine: {sh: 'echo "text=grün" >"$PENSTOCK_OUTPUT"'}
DAG
penstock apply writers.yaml >/dev/null
expect "bad outputs fail the run" 1 failed penstock trigger writers --watch
expect "NUL in an output" 0 'not valid.*line 1' penstock task explain writers nul_output
expect "an output that is not UTF-8" 0 'not valid.*(line 2|UTF-8)' \
  penstock task explain writers bad_output
expect "a deep output" 0 'not valid' penstock task explain writers deep_output
expect "a huge output" 0 'not valid.*(large|bytes)' penstock task explain writers big_output
expect "an output that is a link" 0 'not valid' penstock task explain writers link_output
expect "any bytes in a log" 0 'success' penstock task explain writers bytes_log
same "they come back as they were" "$(printf 'nul\000bad\377\376 \033[2Jend\n' | od -c)" \
  "$(penstock task logs writers bytes_log --tail 1M | head -n 1 | od -c)"
expect "text of any language in an output" 0 'grün' penstock task show writers fine
healthy
