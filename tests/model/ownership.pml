/* Who may write: epochs, the fence, flushes whose outcome is unknown, hand-over. No time in it.
 *
 * Two schedulers, the database, two workers that run one task instance, one client that sends one
 * command without a key. What the code calls a flush is here one operation; a load is atomic.
 * Faults have budgets, so that every execution ends: what must happen is checked where nothing
 * can happen any more (the monitor), and that there are no cycles by a second run (pan -l).
 *
 * Mutations: NO_FENCE UNKNOWN_IS_FAILED RELOAD_WITHOUT_FENCE ACCEPT_STALE_ATTEMPT
 *            ACK_BEFORE_COMMIT SEND_BEFORE_COMMIT OWN_ROW_IS_ALIVE
 */
#ifndef FAULTS
#define FAULTS 3     /* in one execution, of any kinds: an answer that does not come (of a flush, a
                        load, a takeover, a release), a flush that certainly failed, the crash of a
                        scheduler (it comes back as somebody else), a takeover from an owner that
                        lives, a hand-over, a lost message, a session declared lost (whether
                        rightly is the business of sessions.pml) */
#endif
#define ATTEMPTS 5
#define ROWS 24

#define N 2
#define NOBODY 9
#define LOAD 128
#define GONE 8       /* the row names a process that is no more */

mtype = { follower, owner, flushing, reloading };
mtype = { none, command, dispatch, complete, lose };
mtype = { waiting, leased, done };
mtype = { sent, committed, fenced, rejected };

/* ---- The database ---- */
byte db_epoch = 0;
byte db_owner = NOBODY;
byte last = 0;                 /* the highest flush_seq */
byte row[ROWS];                /* epoch, and LOAD if a load wrote it */
mtype db_state = waiting;
byte db_attempt = 0;
byte db_worker = 0;
byte db_commands = 0;          /* how often the command was carried out */
byte accepted = 0;             /* completions */

/* ---- Flushes on their way: two places for each scheduler, the second for after an unknown ---- */
typedef Flight { bit used; bit orphan; mtype st; mtype op; byte epoch; byte seq; byte attempt; byte worker };
Flight fl[4];

/* ---- Schedulers ---- */
typedef Scheduler {
  mtype st; byte epoch; byte seq; byte doubt; byte cur;
  mtype state; byte attempt; byte worker;       /* its memory of the instance */
  mtype op; byte op_attempt; byte op_worker;    /* the batch under way */
  bit holds_command;                            /* applied or waiting, not answered */
};
Scheduler s[N];

/* ---- Workers ---- */
byte bound[2];                 /* the epoch that the worker is bound under */
byte running[2];               /* attempt */
byte kept[2];                  /* attempt whose result is not acknowledged */
byte acked = 0;                /* the attempt whose success was acknowledged as accepted */

bit command_answered = 0;      /* with "done" */

byte faults = FAULTS;

byte i;                        /* scratch, always 0 between steps */

inline append(EPOCH, KIND) {
  last++;
  assert(last < ROWS);
  row[last] = EPOCH + KIND;
}

/* Loads have no side effects on workers: they say hello again to a new epoch by themselves. */
inline load(x) {
  s[x].seq = last;
  s[x].state = db_state;
  s[x].attempt = db_attempt;
  s[x].worker = db_worker;
  s[x].doubt = 0;
  s[x].op = none;
  s[x].st = owner;
}

inline forget(x) {
  s[x].st = follower; s[x].epoch = 0; s[x].seq = 0; s[x].doubt = 0; s[x].op = none;
  s[x].state = waiting; s[x].attempt = 0; s[x].worker = 0; s[x].op_attempt = 0;
  s[x].op_worker = 0; s[x].holds_command = 0; s[x].cur = 0;
}

/* The statement runs, now. The answer may still get lost. */
inline execute(PLACE) {
  if
#ifndef NO_FENCE
  :: !(last == fl[PLACE].seq - 1 && row[last] % LOAD == fl[PLACE].epoch) -> fl[PLACE].st = fenced
#endif
  :: else ->
     if
     :: fl[PLACE].op == dispatch && !(db_state == waiting && db_attempt == fl[PLACE].attempt - 1) ->
        fl[PLACE].st = rejected
#ifndef ACCEPT_STALE_ATTEMPT
     :: (fl[PLACE].op == complete || fl[PLACE].op == lose) &&
        !(db_state == leased && db_attempt == fl[PLACE].attempt) -> fl[PLACE].st = rejected
#endif
     :: else ->
        assert(fl[PLACE].epoch == db_epoch);          /* (3) a deposed owner never commits */
        append(fl[PLACE].epoch, 0);
        fl[PLACE].st = committed;
        if
        :: fl[PLACE].op == command -> db_commands++; assert(db_commands == 1)
        :: fl[PLACE].op == dispatch ->
           db_state = leased; db_attempt = fl[PLACE].attempt; db_worker = fl[PLACE].worker
        :: fl[PLACE].op == complete ->
           /* (2) once, and only of the attempt that holds the lease */
           assert(db_state == leased && db_attempt == fl[PLACE].attempt && db_worker == fl[PLACE].worker);
           accepted++;
           assert(accepted == 1);
           db_state = done
        :: fl[PLACE].op == lose -> db_state = waiting
        fi
     fi
  fi
}

inline send_assignment(ATT, WHO) {
  assert(db_attempt >= ATT);                    /* nothing on the wire without its row */
  if
  :: bound[WHO] == s[x].epoch -> running[WHO] = ATT
  :: faults > 0 -> faults--                         /* the next hello does not list it */
  :: bound[WHO] != s[x].epoch                   /* refused */
  fi
}

inline start_flush(WHAT, ATT, WHO) {
  s[x].op = WHAT; s[x].op_attempt = ATT; s[x].op_worker = WHO;
  s[x].cur = 2 * x;
  if
  :: fl[2 * x].used -> s[x].cur = 2 * x + 1
  :: else
  fi;
  assert(!fl[s[x].cur].used);
  fl[s[x].cur].used = 1; fl[s[x].cur].orphan = 0; fl[s[x].cur].st = sent;
  fl[s[x].cur].op = WHAT; fl[s[x].cur].epoch = s[x].epoch; fl[s[x].cur].seq = s[x].seq + 1;
  fl[s[x].cur].attempt = ATT; fl[s[x].cur].worker = WHO;
  s[x].st = flushing
}

inline clear(PLACE) {
  fl[PLACE].used = 0; fl[PLACE].orphan = 0; fl[PLACE].st = sent; fl[PLACE].op = none; fl[PLACE].epoch = 0;
  fl[PLACE].seq = 0; fl[PLACE].attempt = 0; fl[PLACE].worker = 0
}

inline abandon(PLACE) {            /* nobody listens any more; if it was not run yet, it still may be */
  if
  :: fl[PLACE].used && fl[PLACE].st == sent -> fl[PLACE].orphan = 1
  :: fl[PLACE].used && fl[PLACE].st != sent -> clear(PLACE)
  :: else
  fi
}

#define MINE(w) (bound[w] == s[x].epoch)
#define ROOM (!(fl[2 * x].used && fl[2 * x + 1].used))

proctype Sched(byte x) {
  byte w;
  byte f;
end:
  do
  /* ---- The judge: an ownerless domain, or one whose owner died or seems to be dead ---- */
  :: atomic { s[x].st == follower && db_state != done &&
       (db_owner == NOBODY || db_owner == GONE
#ifndef OWN_ROW_IS_ALIVE
        || db_owner == x
#endif
        || (db_owner == 1 - x && faults > 0)) ->
       if
       :: db_owner == 1 - x -> faults--
       :: else
       fi;
       db_epoch++;
       db_owner = x;
       append(db_epoch, LOAD);
       if
       :: s[x].epoch = db_epoch; load(x)
       :: faults > 0 -> faults--          /* carried out, but the answer is lost */
       fi }

  /* The row is read with each beat: a higher epoch ends ours. */
  :: atomic { s[x].st != follower && s[x].epoch < db_epoch ->
       abandon(2 * x); abandon(2 * x + 1); forget(x) }

  /* ---- Owner ---- */
  :: atomic { s[x].st == owner && s[x].holds_command && ROOM -> start_flush(command, 0, 0) }
  :: atomic { s[x].st == owner && ROOM && s[x].state == waiting && s[x].attempt < ATTEMPTS &&
       (MINE(0) || MINE(1)) ->
       w = (MINE(0) -> 0 : 1);
       s[x].state = leased; s[x].attempt++; s[x].worker = w;
       start_flush(dispatch, s[x].attempt, w);
#ifdef SEND_BEFORE_COMMIT
       send_assignment(s[x].attempt, w);
#endif
       w = 0 }
  /* Hello to a new owner: what it does not list was never delivered, and goes back. */
  :: atomic { s[x].st == owner && s[x].epoch > bound[0] -> bound[0] = s[x].epoch }
  :: atomic { s[x].st == owner && s[x].epoch > bound[1] -> bound[1] = s[x].epoch }
  :: atomic { s[x].st == owner && ROOM && s[x].state == leased && MINE(s[x].worker) &&
       running[s[x].worker] != s[x].attempt && kept[s[x].worker] != s[x].attempt ->
       s[x].state = waiting;
       start_flush(lose, s[x].attempt, s[x].worker) }
  :: atomic { s[x].st == owner && ROOM && s[x].state == leased && faults > 0 ->
       faults--;
       s[x].state = waiting;
       start_flush(lose, s[x].attempt, s[x].worker) }
  /* A result: of the lease, or stale, which is acknowledged all the same. */
  :: atomic { s[x].st == owner && ROOM && ((kept[0] && MINE(0)) || (kept[1] && MINE(1))) ->
       if
       :: kept[0] && MINE(0) -> w = 0
       :: kept[1] && MINE(1) -> w = 1
       fi;
       if
#ifdef ACCEPT_STALE_ATTEMPT
       :: s[x].state != done ->
#else
       :: s[x].state == leased && s[x].attempt == kept[w] && s[x].worker == w ->
#endif
          s[x].state = done;
          start_flush(complete, kept[w], w);
#ifdef ACK_BEFORE_COMMIT
          acked = kept[w]; kept[w] = 0
#endif
       :: else -> kept[w] = 0
       fi;
       w = 0 }
  :: atomic { s[x].st == owner && faults > 0 && !s[x].holds_command ->
       faults--;
       if
       :: s[x].epoch == db_epoch -> db_owner = NOBODY
       :: s[x].epoch != db_epoch              /* refused */
       :: faults > 0 -> faults--          /* not carried out; it is a follower all the same */
       fi;
       forget(x) }

  /* ---- Answers of a flush ---- */
  :: atomic { s[x].st == flushing && fl[s[x].cur].st == committed ->
       s[x].seq++;
       if
       :: s[x].op == command -> s[x].holds_command = 0; command_answered = 1
       :: s[x].op == dispatch ->
#ifndef SEND_BEFORE_COMMIT
          send_assignment(s[x].op_attempt, s[x].op_worker)
#else
          skip
#endif
       :: s[x].op == complete ->
          assert(db_state == done && accepted == 1);   /* (4) before it is acknowledged */
          if
          :: kept[s[x].op_worker] == s[x].op_attempt && bound[s[x].op_worker] == s[x].epoch ->
             acked = s[x].op_attempt; kept[s[x].op_worker] = 0
          :: faults > 0 -> faults--                        /* the acknowledgement */
          :: bound[s[x].op_worker] != s[x].epoch       /* ignored */
          :: kept[s[x].op_worker] != s[x].op_attempt
          fi
       :: s[x].op == lose
       fi;
       clear(s[x].cur); s[x].op = none; s[x].op_attempt = 0; s[x].op_worker = 0; s[x].cur = 0;
       s[x].st = owner }
  :: atomic { s[x].st == flushing && fl[s[x].cur].st == fenced -> clear(s[x].cur); forget(x) }
  :: atomic { s[x].st == flushing && fl[s[x].cur].st == rejected ->
       clear(s[x].cur); s[x].doubt = 0; s[x].st = reloading }
  :: atomic { s[x].st == flushing && fl[s[x].cur].st == sent && faults > 0 ->
       faults--; clear(s[x].cur); s[x].doubt = 0; s[x].st = reloading }
  :: atomic { s[x].st == flushing && faults > 0 ->   /* run or not, it may still run later */
       faults--; f = s[x].cur; abandon(f); f = 0;
#ifdef UNKNOWN_IS_FAILED
       s[x].doubt = 0;
#else
       s[x].doubt = s[x].seq + 1;
#endif
       s[x].st = reloading }

  /* ---- Reload: the same epoch, a place in the fence, the question of the flush in doubt ---- */
  :: atomic { s[x].st == reloading ->
       if
       :: s[x].epoch != db_epoch -> abandon(2 * x); abandon(2 * x + 1); forget(x)
       :: else ->
#ifndef RELOAD_WITHOUT_FENCE
          if
          :: s[x].doubt > last -> append(s[x].epoch, LOAD)            /* in its place */
          :: else -> i = s[x].doubt; append(s[x].epoch, LOAD)
          fi;
#else
          i = (s[x].doubt > last -> 0 : s[x].doubt);
#endif
          if
          :: faults > 0 -> faults--                                /* asks once more */
          :: true ->
             /* Committed: a row that is not a load's. Its command stays answered, else it waits. */
             if
             :: i > 0 && row[i] < LOAD ->
                assert(row[i] == s[x].epoch);
                if
                :: s[x].op == command -> s[x].holds_command = 0; command_answered = 1
                :: else
                fi
             :: else
             fi;
             s[x].cur = 0; s[x].op_attempt = 0; s[x].op_worker = 0;
             load(x)
          fi;
          i = 0
       fi }

  :: atomic { s[x].st != follower && faults > 0 ->
       faults--;
       abandon(2 * x); abandon(2 * x + 1);
       forget(x);
       if
       :: db_owner == x -> db_owner = GONE
       :: else
       fi }
  od
}

/* Runs flushes, those of deposed and dead owners too, whenever it likes. */
proctype Database() {
end:
  do
  :: atomic { fl[0].used && fl[0].st == sent -> execute(0); if :: fl[0].orphan -> clear(0) :: else fi }
  :: atomic { fl[1].used && fl[1].st == sent -> execute(1); if :: fl[1].orphan -> clear(1) :: else fi }
  :: atomic { fl[2].used && fl[2].st == sent -> execute(2); if :: fl[2].orphan -> clear(2) :: else fi }
  :: atomic { fl[3].used && fl[3].st == sent -> execute(3); if :: fl[3].orphan -> clear(3) :: else fi }
  od
}

proctype Workers() {
end:
  do
  :: atomic { running[0] && !kept[0] -> kept[0] = running[0]; running[0] = 0 }
  :: atomic { running[1] && !kept[1] -> kept[1] = running[1]; running[1] = 0 }
  od
}

/* (5) Where nothing can happen any more, everything has ended. */
proctype Monitor() {
  timeout ->
  assert(db_state == done);
  assert(accepted == 1 && (acked == 0 || acked == db_attempt));
  assert(!command_answered || db_commands == 1)
}

init {
  atomic {
    byte k;
    for (k : 0 .. 1) { s[k].st = follower; s[k].op = none; s[k].state = waiting }
    for (k : 0 .. 3) { fl[k].st = sent; fl[k].op = none }
    k = 0;
    /* Scheduler 0 has just taken the domain over, and holds the client's command. */
    db_epoch = 1; db_owner = 0; append(1, LOAD);
    s[0].st = owner; s[0].epoch = 1; s[0].seq = 1; s[0].holds_command = 1;
    bound[0] = 1; bound[1] = 1;
    run Sched(0); run Sched(1); run Database(); run Workers(); run Monitor()
  }
}
