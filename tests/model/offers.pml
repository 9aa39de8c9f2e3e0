/* Who counts as bound: streams, numbered offers, hellos, reloads, takeovers. No time in it: nobody
 * is declared lost, so a lease ends by its result, or by a hello that does not list it.
 *
 * Two schedulers, two workers, a stream between each pair: messages of one direction arrive in
 * order and as late as they like; a stream that breaks loses all that is on it. One task instance.
 *
 * Mutations: OLD_HELLO_COUNTS OLD_OWNER_COUNTS
 */
#ifndef EPOCHS
#define EPOCHS 2
#endif
#ifndef RELOADS
#define RELOADS 2
#endif
#ifndef BREAKS
#define BREAKS 1
#endif
#ifndef ATTEMPTS
#define ATTEMPTS 2
#endif

mtype = { offer, assign };
mtype = { hello, result };
mtype = { waiting, leased, done };

/* x * 2 + w is the stream between scheduler x and worker w. */
chan down[4] = [3] of { mtype, byte, byte };        /* what, epoch, number or attempt */
chan up[4] = [3] of { mtype, byte, byte, byte };    /* what, epoch, number, attempt */
#define C(x, w) ((x) * 2 + (w))

byte db_epoch = 1;
mtype db_state = waiting;
byte db_attempt = 0;
byte db_worker = 0;

bit own[2];
byte epoch[2];
byte latest[4];          /* number of the latest offer on a stream; 0 = none */
bit bound[4];            /* the answer to it has been committed */
byte next_offer = 1;

byte running[2];
byte kept[2];
byte at_epoch[2];        /* the domain's, as the worker knows it */
byte at[2];              /* the stream's scheduler + 1; 0 = not bound */
byte at_offer[2];

byte reloads = RELOADS, breaks = BREAKS;

#ifdef OLD_OWNER_COUNTS
#define FROM_ITS_OWNER true
#else
#define FROM_ITS_OWNER (at[w] == x + 1 && at_epoch[w] == e)
#endif

#define ALIVE (db_state != done)
#define OWNS(x) (own[x] && epoch[x] == db_epoch)

inline offer_on(x, w) {
  bound[C(x, w)] = 0;
  latest[C(x, w)] = next_offer;
  next_offer++;
  down[C(x, w)]!offer, epoch[x], latest[C(x, w)]
}

#define ROOM(x) (nfull(down[C(x, 0)]) && nfull(down[C(x, 1)]))

inline close(x, w) {
  do
  :: down[C(x, w)]?_, _, _
  :: empty(down[C(x, w)]) -> break
  od;
  do
  :: up[C(x, w)]?_, _, _, _
  :: empty(up[C(x, w)]) -> break
  od;
  bound[C(x, w)] = 0; latest[C(x, w)] = 0;
  if
  :: at[w] == x + 1 -> at[w] = 0; at_offer[w] = 0
  :: else
  fi
}

/* Whatever ends the lease but its own result. */
inline free_lease() {
  assert(running[0] != db_attempt && running[1] != db_attempt);
  db_state = waiting
}

proctype Scheduler(byte x) {
end:
  do
  :: atomic { ALIVE && !own[x] && db_epoch < EPOCHS && ROOM(x) ->    /* from whoever has it */
       db_epoch++;
       own[x] = 1; epoch[x] = db_epoch;
       offer_on(x, 0); offer_on(x, 1) }
  :: atomic { ALIVE && own[x] && epoch[x] != db_epoch ->
       own[x] = 0; epoch[x] = 0;
       bound[C(x, 0)] = 0; bound[C(x, 1)] = 0; latest[C(x, 0)] = 0; latest[C(x, 1)] = 0 }
  /* A reload: every session is asked to say hello again. A dispatch in doubt was not sent. */
  :: atomic { ALIVE && OWNS(x) && reloads > 0 && ROOM(x) ->
       reloads--;
       if
       :: db_state == waiting && db_attempt < ATTEMPTS && bound[C(x, 0)] ->
          db_attempt++; db_state = leased; db_worker = 0
       :: true
       fi;
       offer_on(x, 0); offer_on(x, 1) }
  od
}

proctype Link(byte x; byte w) {
  byte e, n, a;
end:
  do
  :: atomic { ALIVE && OWNS(x) && bound[C(x, w)] && db_state == waiting &&
       db_attempt < ATTEMPTS && nfull(down[C(x, w)]) ->
       db_attempt++; db_state = leased; db_worker = w;
       down[C(x, w)]!assign, epoch[x], db_attempt }
  :: atomic { ALIVE && own[x] && up[C(x, w)]?[hello, e, n, a] -> up[C(x, w)]?hello, e, n, a;
       if
       :: OWNS(x) && e == epoch[x] &&
#ifdef OLD_HELLO_COUNTS
          latest[C(x, w)] != 0 ->
#else
          n == latest[C(x, w)] ->
#endif
          bound[C(x, w)] = 1;
          if
          :: db_state == leased && db_worker == w && a != db_attempt -> free_lease()
          :: else
          fi
       :: else
       fi;
       e = 0; n = 0; a = 0 }
  :: atomic { ALIVE && up[C(x, w)]?[result, e, n, a] -> up[C(x, w)]?result, e, n, a;
       if
       :: OWNS(x) && e == epoch[x] && bound[C(x, w)] && db_state == leased && db_worker == w &&
          db_attempt == a ->
          assert(running[w] != a);
          db_state = done
       :: else
       fi;
       e = 0; n = 0; a = 0 }
  :: atomic { ALIVE && !own[x] && up[C(x, w)]?[hello, e, n, a] -> up[C(x, w)]?hello, e, n, a;
       e = 0; n = 0; a = 0 }
  :: atomic { ALIVE && breaks > 0 && latest[C(x, w)] != 0 ->
       breaks--;
       close(x, w);
       if
       :: own[x] -> offer_on(x, w)      /* on the new stream */
       :: else
       fi }

  /* ---- The worker's end ---- */
  :: atomic { ALIVE && nfull(up[C(x, w)]) && down[C(x, w)]?[offer, e, n] ->
       down[C(x, w)]?offer, e, n;
       if
       :: e >= at_epoch[w] &&
          !(at[w] == x + 1 && at_epoch[w] == e && at_offer[w] == n) ->
          at[w] = x + 1; at_epoch[w] = e; at_offer[w] = n;
          up[C(x, w)]!hello, e, n, (running[w] -> running[w] : kept[w])
       :: else
       fi;
       e = 0; n = 0 }
  :: atomic { ALIVE && down[C(x, w)]?[assign, e, a] -> down[C(x, w)]?assign, e, a;
       if
       :: FROM_ITS_OWNER ->
          assert(running[0] == 0 && running[1] == 0);                         /* (1) */
          assert(db_state == leased && db_worker == w && db_attempt == a);
          running[w] = a; kept[w] = 0
       :: else
       fi;
       e = 0; a = 0 }
  od
}

/* A result is sent when it comes, if there is a stream; and listed in every hello after. */
proctype Attempt(byte w) {
end:
  do
  :: atomic { ALIVE && running[w] &&
       (at[w] == 0 || nfull(up[C(at[w] - 1, w)])) ->
       kept[w] = running[w]; running[w] = 0;
       if
       :: at[w] -> up[C(at[w] - 1, w)]!result, at_epoch[w], 0, kept[w]
       :: else
       fi }
  /* What a hello listed and nobody has acknowledged is said again. */
  :: atomic { ALIVE && kept[w] && at[w] && db_state == leased && db_worker == w &&
       db_attempt == kept[w] && OWNS(at[w] - 1) && bound[C(at[w] - 1, w)] && empty(up[C(at[w] - 1, w)]) ->
       up[C(at[w] - 1, w)]!result, at_epoch[w], 0, kept[w] }
  od
}

/* (5) Where nothing can happen any more, the instance has ended. */
proctype Monitor() {
  timeout -> assert(db_state == done || db_attempt == ATTEMPTS)
}

init {
  atomic {
    own[0] = 1; epoch[0] = 1;
    offer_on(0, 0); offer_on(0, 1);
    run Scheduler(0); run Scheduler(1);
    run Link(0, 0); run Link(0, 1); run Link(1, 0); run Link(1, 1);
    run Attempt(0); run Attempt(1); run Monitor()
  }
}
