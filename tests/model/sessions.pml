/* Who may run: sessions, their leases in time, guardians, takeovers. A commit is one step here and
 * happens only under the database's epoch (ownership.pml shows why that may be assumed).
 *
 * Two schedulers, two workers (a main process and a guardian each), one task instance. Time is in
 * ticks: all clocks run alike, the margin stands for what they differ by, and for the guardian,
 * which kills at the deadline or later, but before the next tick. All that lasts is a count-down,
 * so the state space is finite without an end of time. Messages take any time, or get lost.
 *
 * Without LIVE: faults at any time, as many as there can be; (1) and (2) are asserted.
 * With LIVE: FAULTS faults (a late message or a slow task costs one per tick); after them only what
 * has nothing else to do lets time pass. No cycle (pan -l) and a good end: everything ends.
 *
 * Mutations: GUARDIAN_SLEEPS SHORT_WAIT_FOR_LOST CONFIRM_WITHOUT_LEASE DEATH_REPORTED_FIRST
 *            LEASE_FROM_THE_ANSWER NO_MARGIN CONFIRM_UNBOUND CONFIRMATIONS_WAIT_IN_LINE
 */
#ifndef DOMAIN
#define DOMAIN 2
#endif
#ifndef OUTAGE
#define OUTAGE 1
#endif
#define MARGIN 1
#define SESSION (DOMAIN + OUTAGE + MARGIN)
#ifdef NO_MARGIN
#define SILENCE SESSION
#define WAIT (DOMAIN + SESSION)
#else
#define SILENCE (SESSION + MARGIN)
#define WAIT (DOMAIN + SESSION + MARGIN)
#endif
#ifdef SHORT_WAIT_FOR_LOST
#define LOST_AFTER SILENCE
#else
#define LOST_AFTER WAIT
#endif
#ifndef EPOCHS
#define EPOCHS 3
#endif
#ifndef ATTEMPTS
#define ATTEMPTS 2
#endif
#ifndef FAULTS
#define FAULTS 3
#endif
#define NEVER 99

mtype = { up, stopped, dead };
mtype = { waiting, leased, done };
mtype = { success, killed, handed_back };
mtype = { none, asked, confirmed };

#ifdef LIVE
byte faults = FAULTS;
#define MAY (faults > 0)
#define SPEND faults--
/* Dispatches that are handed back for want of a lease do not outrun its renewal for ever. */
#define FAIR (wk.left > 0 || wk.fresh)
#else
#define MAY true
#define FAIR true
#define SPEND skip
#endif

/* ---- The database ---- */
byte db_epoch = 1;
mtype db_state = waiting;
byte db_attempt = 0;
byte db_worker = 0;
byte db_hello;          /* epoch of the session's last committed hello */

/* ---- Schedulers; what they know of the worker that is modelled in full ---- */
bit own[2];
byte epoch[2];
byte lease[2];          /* of the domain, as far as it knows */
byte trust[2];          /* ticks until the session is lost */
bit bound[2];           /* its hello to this load is durable */
byte seen[2];           /* ticks since x first saw epoch 2, as long as that matters */
#ifdef CONFIRMATIONS_WAIT_IN_LINE
byte in_line;        /* trust by a confirmation that the owner has not looked at */
#endif

/* ---- Workers ---- */
byte other = 0;         /* the attempt that runs on the other one */
typedef Worker {
  mtype main;
  byte runs;            /* attempt; 0 = none. Guarded by a process of its own */
  byte left;            /* of the lease, which both processes know */
  byte kept;            /* attempt whose result is not acknowledged */
  mtype how;            /* it ended */
  byte epoch;           /* the highest that it was bound under */
  bit fresh;            /* the binding has shown nothing yet: the hello's time may count */
  byte hello_age;
  /* On their way: */
  bit hello; byte listed;
  byte assigned; byte assigned_by;
  mtype renewal; byte renewal_age; byte renewal_epoch;
  bit ended
};
Worker wk;

#define ALIVE (db_state != done)
#define OWNS(x) (own[x] && epoch[x] == db_epoch)
#define HOLDS (db_state == leased && db_worker == 0)
#define OVERDUE (wk.runs && wk.left == 0)

inline atleast(VAR, VALUE) {
  if
  :: VAR < VALUE -> VAR = VALUE
  :: else
  fi
}

inline down(VAR) {
  if
  :: VAR > 0 -> VAR--
  :: else
  fi
}

inline grow(VAR, TOP) {
  if
  :: VAR < TOP -> VAR++
  :: else
  fi
}

inline end_run(HOW) {
  wk.kept = wk.runs; wk.how = HOW; wk.runs = 0
}

/* Whatever ends the lease but its own result: nothing of it may run any more. */
inline free_lease() {
  assert(wk.runs != db_attempt);
  db_state = waiting
}

inline clear_renewal() {
  wk.renewal = none; wk.renewal_age = 0; wk.renewal_epoch = 0
}

/* ---- Schedulers ---- */

/* Counted from when x first saw a later epoch than that of the session's last hello. */
inline trust_after_load(x) {
  if
  :: !HOLDS -> trust[x] = 0
  :: HOLDS && db_hello == 1 && seen[x] != NEVER -> trust[x] = LOST_AFTER - seen[x]
  :: HOLDS && !(db_hello == 1 && seen[x] != NEVER) -> trust[x] = LOST_AFTER
  fi
}

inline see(x) {
  if
  :: db_epoch == 2 && seen[x] == NEVER && db_hello == 1 && EPOCHS > 2 -> seen[x] = 0
  :: else
  fi
}

inline take_over(x) {
  db_epoch++;
  own[x] = 1; epoch[x] = db_epoch; lease[x] = 0;
  bound[x] = 0;
  trust_after_load(x);
  if
  :: db_epoch == EPOCHS -> seen[0] = NEVER; seen[1] = NEVER   /* it was the last takeover */
  :: else -> see(x)
  fi
}

inline let_go(x) {
  own[x] = 0; epoch[x] = 0; lease[x] = 0;
  trust[x] = 0; bound[x] = 0
}

inline drop_binding(x) {
  bound[x] = 0;
  if
  :: wk.epoch == epoch[x] -> wk.hello = 0; wk.listed = 0
  :: else
  fi;
  /* A session that holds nothing is forgotten with the load. */
  if
  :: !HOLDS -> trust[x] = 0
  :: else
  fi
}

proctype Scheduler(byte x) {
end:
  do
  /* Another one lives: a fault. Nobody owns it: at once. */
  :: atomic { ALIVE && !own[x] && db_epoch < EPOCHS && !OWNS(1 - x) -> take_over(x) }
  :: atomic { ALIVE && !own[x] && db_epoch < EPOCHS && OWNS(1 - x) && MAY && db_state != done ->
       SPEND; take_over(x) }
  /* A beat: the lease is counted from when it was sent, and only while the row is ours. */
  :: atomic { ALIVE && OWNS(x) && lease[x] < DOMAIN -> lease[x] = DOMAIN }
  :: atomic { ALIVE && own[x] && epoch[x] != db_epoch -> let_go(x) }
  :: atomic { ALIVE && db_epoch == 2 && seen[x] == NEVER && db_hello == 1 && EPOCHS > 2 -> see(x) }
  /* It crashes; not the last one there can be. */
  :: atomic { ALIVE && own[x] && !(OWNS(x) && db_epoch == EPOCHS) && MAY -> SPEND; let_go(x);
       seen[x] = NEVER }
  :: atomic { ALIVE && OWNS(x) && bound[x] && MAY ->   /* reload */
       SPEND; drop_binding(x) }
  od
}

/* What passes between scheduler x and the worker. */
proctype Link(byte x) {
end:
  do
  /* An offer arrives, the worker says hello. Assignments on the same stream come before it. */
  :: atomic { ALIVE && wk.main == up && own[x] && !wk.ended &&
       !(wk.assigned && wk.assigned_by == epoch[x]) &&
       (epoch[x] > wk.epoch ||
        (epoch[x] == wk.epoch && !bound[x] && !wk.hello)) ->
       wk.epoch = epoch[x];
       wk.hello = 1; wk.hello_age = 0; wk.fresh = 1;
       wk.listed = (wk.runs -> wk.runs : wk.kept) }
  /* The hello is committed. What it does not list goes back. */
  :: atomic { ALIVE && OWNS(x) && wk.hello && wk.epoch == epoch[x] ->
       db_hello = epoch[x];
       if
       :: db_hello > 1 -> seen[0] = NEVER; seen[1] = NEVER
       :: else
       fi;
       bound[x] = 1;
       atleast(trust[x], SILENCE);
       if
       :: HOLDS && wk.listed != db_attempt -> free_lease()
       :: else
       fi;
       wk.hello = 0; wk.listed = 0 }
  :: atomic { ALIVE && OWNS(x) && db_state == waiting && db_attempt < ATTEMPTS && bound[x] &&
       trust[x] > 0 && !wk.assigned && FAIR ->
       db_attempt++; db_state = leased; db_worker = 0;
       wk.assigned = db_attempt; wk.assigned_by = epoch[x] }
  /* A result, a kill's or a hand-back's included. Stale ones are acknowledged all the same. */
  :: atomic { ALIVE && OWNS(x) && bound[x] && wk.kept && wk.epoch == epoch[x] &&
       wk.main != dead ->
       if
       :: HOLDS && db_attempt == wk.kept ->
          assert(db_state != done);
          assert(wk.runs != db_attempt);
          db_state = (wk.how == success -> done : waiting)
       :: else
       fi;
       wk.kept = 0; wk.how = success }
  /* Confirmed while the owner's lease holds, if the hello is durable. */
  :: atomic { ALIVE && own[x] && wk.renewal == asked && wk.renewal_epoch == epoch[x] &&
#ifndef CONFIRM_UNBOUND
       bound[x] &&
#endif
#ifndef CONFIRM_WITHOUT_LEASE
       lease[x] > 0 &&
#endif
       true ->
#ifdef CONFIRMATIONS_WAIT_IN_LINE
       in_line = SILENCE;
#else
       atleast(trust[x], SILENCE);
#endif
       wk.renewal = confirmed }
#ifdef CONFIRMATIONS_WAIT_IN_LINE
  :: atomic { ALIVE && OWNS(x) && in_line > 0 -> atleast(trust[x], in_line); in_line = 0 }
#endif
  /* The judge: a session whose trust has run out is lost, connected or not. */
  :: atomic { ALIVE && OWNS(x) && trust[x] == 0 && (HOLDS || bound[x]) ->
       if
       :: HOLDS -> free_lease()
       :: else
       fi;
       bound[x] = 0; wk.ended = 1 }
  /* The guardian's report: the main process is dead, and so is every attempt. */
  :: atomic { ALIVE && OWNS(x) && wk.main == dead && (HOLDS || bound[x]) &&
#ifndef DEATH_REPORTED_FIRST
       wk.runs == 0 &&
#endif
       true ->
       if
       :: HOLDS -> free_lease()
       :: else
       fi;
       bound[x] = 0; trust[x] = 0; wk.kept = 0; wk.how = success }
  /* The stream breaks. */
  :: atomic { ALIVE && bound[x] && wk.assigned && wk.assigned_by == epoch[x] && MAY ->
       SPEND; wk.assigned = 0; wk.assigned_by = 0; bound[x] = 0 }
  od
}

/* The other worker takes what is free, and starts it at once. */
proctype Other() {
end:
  do
  :: atomic { ALIVE && (OWNS(0) || OWNS(1)) && db_state == waiting &&
       (db_attempt > 0 || wk.main == dead) &&
       db_attempt < ATTEMPTS ->
       db_attempt++; db_state = leased; db_worker = 1;
       assert(wk.runs == 0);                                /* (1) */
       other = db_attempt }
  :: atomic { ALIVE && other && (OWNS(0) || OWNS(1)) ->
       assert(db_state == leased && db_attempt == other);   /* (2) */
       other = 0; db_state = done }
  od
}

proctype WorkerMain() {
end:
  do
  :: atomic { ALIVE && wk.main == up && wk.assigned ->
       if
       :: wk.assigned_by == wk.epoch ->
          if
          :: wk.fresh -> atleast(wk.left, SESSION - wk.hello_age)
          :: else
          fi;
          wk.fresh = 0; wk.hello_age = 0;
          if
          :: wk.left == 0 -> wk.kept = wk.assigned; wk.how = handed_back
          :: else ->
             assert(wk.runs == 0 && other == 0);            /* (1) one at a time */
             assert(HOLDS && wk.assigned == db_attempt);    /* and only under the lease */
             wk.runs = wk.assigned
          fi
       :: else                                           /* of an older epoch: refused */
       fi;
       wk.assigned = 0; wk.assigned_by = 0 }
  :: atomic { ALIVE && wk.main == up && wk.renewal == none && wk.left < SESSION &&
       !wk.hello && wk.epoch -> wk.renewal = asked; wk.renewal_epoch = wk.epoch }
  :: atomic { ALIVE && wk.main == up && wk.renewal == confirmed && !OVERDUE ->
       if
       :: wk.renewal_epoch == wk.epoch ->
#ifdef LEASE_FROM_THE_ANSWER
          wk.left = SESSION
#else
          atleast(wk.left, SESSION - wk.renewal_age)
#endif
       :: else
       fi;
       clear_renewal() }
  :: atomic { ALIVE && wk.renewal != none &&
       (MAY || wk.renewal_age == SESSION || wk.renewal_epoch != wk.epoch) ->
       if
       :: wk.renewal_age == SESSION || wk.renewal_epoch != wk.epoch
       :: else -> SPEND
       fi;
       clear_renewal() }
  /* The owner has given the session up: all its attempts are killed, a new session begins. */
  :: atomic { ALIVE && wk.main == up && wk.ended ->
       wk.ended = 0; wk.runs = 0; wk.kept = 0; wk.how = success;
       wk.hello = 0; wk.listed = 0; wk.assigned = 0; wk.assigned_by = 0;
       bound[0] = 0; bound[1] = 0;      /* its streams are closed */
       clear_renewal() }
  :: atomic { ALIVE && wk.main == up && MAY -> SPEND; wk.main = stopped }
  :: atomic { ALIVE && wk.main == stopped -> wk.main = up }
  :: atomic { ALIVE && wk.main == up && MAY ->
       SPEND; wk.main = dead; wk.left = (wk.runs -> wk.left : 0);
       wk.hello = 0; wk.listed = 0; wk.ended = 0;
       wk.hello_age = 0; wk.fresh = 0;
       wk.assigned = 0; wk.assigned_by = 0; clear_renewal() }
  od
}

/* The attempt, and the guardian that ends it: at the deadline, or when the main process dies. */
proctype Guardian() {
end:
  do
  :: atomic { ALIVE && wk.runs && wk.left > 0 -> end_run(success) }
#ifdef GUARDIAN_SLEEPS
  :: atomic { ALIVE && OVERDUE && wk.main == up -> end_run(killed) }
#else
  :: atomic { ALIVE && OVERDUE -> end_run(killed) }
  :: atomic { ALIVE && wk.runs && wk.main == dead -> wk.runs = 0; wk.left = 0 }
#endif
  od
}

inline tick() {
  down(lease[0]); down(lease[1]); down(trust[0]); down(trust[1]); down(wk.left);
  grow(seen[0], WAIT); grow(seen[1], WAIT);
#ifdef CONFIRMATIONS_WAIT_IN_LINE
  down(in_line);
#endif
  if :: wk.fresh -> grow(wk.hello_age, SESSION) :: else fi;
  if :: wk.renewal != none -> grow(wk.renewal_age, SESSION) :: else fi
}

#ifdef GUARDIAN_SLEEPS
#define IN_TIME (!OVERDUE || wk.main != up)
#else
#define IN_TIME (!OVERDUE)
#endif

proctype Time() {
end:
  do
#ifdef LIVE
  :: atomic { timeout && ALIVE -> tick() }
  :: atomic { ALIVE && MAY && IN_TIME -> SPEND; tick() }
#else
  :: atomic { ALIVE && IN_TIME -> tick() }
#endif
  od
}

init {
  atomic {
    seen[0] = NEVER; seen[1] = NEVER;
    wk.main = up; wk.how = success; wk.renewal = none;
    own[0] = 1; epoch[0] = 1;   /* scheduler 0 has just taken the domain over */
    run Scheduler(0); run Scheduler(1); run Link(0); run Link(1);
    run WorkerMain(); run Guardian(); run Other(); run Time()
  }
}
