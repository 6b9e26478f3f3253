/* SPDX-License-Identifier: Apache-2.0 */
/* The protocol of pipeline/queue/queue.c and pipeline/queue/eventcount.c for Spin: producers and consumers that wait for room and
 * for items on two eventcounts, a close by the last producer, an abort by anyone at any moment. Memory is sequentially
 * consistent here (tests/test_model.c is about its orders); the ring is a counter with room for CAPACITY, each push and
 * pop of which is one step. A futex sleeps where the epoch is still the key, in one step; a wake-up takes any
 * sleeper.
 *
 * Checked: what is asserted; no end but all threads' own ("invalid end states", so no lost wake-up); and that every run
 * ends, under weak fairness (ltl ends).
 * -DBROKEN=1 leaves out the second try; 2: notify_one where close has to notify all; 3: sleep without comparing;
 * 4: abort forgets the producers. */

#ifndef PRODUCERS
#define PRODUCERS 2
#endif
#ifndef CONSUMERS
#define CONSUMERS 2
#endif
#ifndef ITEMS
#define ITEMS 2 /* of each producer */
#endif
#ifndef CAPACITY
#define CAPACITY 2
#endif
#ifndef ABORTS
#define ABORTS 1
#endif
#ifndef BROKEN
#define BROKEN 0
#endif
#define THREADS (PRODUCERS + CONSUMERS + ABORTS)

mtype = { OPEN, CLOSED, ABORTED };
mtype phase = OPEN;
byte depth, pushed, popped;
byte unclosed = PRODUCERS;
byte ended;

/* An eventcount is an epoch (as many as there can be notifies), a count of waiters, and a set of sleepers. */
typedef eventcount {
    byte epoch;
    byte waiters;
    bit asleep[THREADS];
}
eventcount items, room;

inline prepare(ec, key) { d_step { key = ec.epoch; ec.waiters++ } }
inline withdraw(ec) { ec.waiters-- }

/* The look before the sleep, the comparison with the sleep in one step, and again. */
inline wait(ec, key) {
    do
    :: ec.epoch != key -> break
    :: else ->
        atomic {
            if
            :: ec.epoch == key || BROKEN == 3 -> ec.asleep[_pid - 1] = 1
            :: else
            fi
        }
        (ec.asleep[_pid - 1] == 0)
    od;
    ec.waiters--
}

inline wake_one(ec) {
    atomic {
        if
        :: ec.asleep[0] -> ec.asleep[0] = 0
        :: THREADS > 1 && ec.asleep[1] -> ec.asleep[1] = 0
        :: THREADS > 2 && ec.asleep[2 % THREADS] -> ec.asleep[2 % THREADS] = 0
        :: THREADS > 3 && ec.asleep[3 % THREADS] -> ec.asleep[3 % THREADS] = 0
        :: THREADS > 4 && ec.asleep[4 % THREADS] -> ec.asleep[4 % THREADS] = 0
        :: else
        fi
    }
}

inline wake_all(ec, i) {
    d_step {
        i = 0;
        do
        :: i < THREADS -> ec.asleep[i] = 0; i++
        :: else -> break
        od;
        i = 0
    }
}

/* The addition, which finds whether there are waiters, and then the call of the kernel. */
inline notify(ec, found, i, all) {
    d_step { ec.epoch++; found = ec.waiters }
    if
    :: found > 0 && (all) -> wake_all(ec, i)
    :: found > 0 && !(all) -> wake_one(ec)
    :: else
    fi;
    found = 0
}

/* done: 0 would wait, 1 done, 2 aborted. */
inline try_push(done) {
    if
    :: phase == ABORTED -> done = 2
    :: else ->
        d_step {
            if
            :: depth < CAPACITY -> depth++; pushed++; done = 1
            :: else -> done = 0
            fi
        }
        if
        :: done == 1 -> notify(items, found, i, false)
        :: else
        fi
    fi
}

/* done: 3: the end. */
inline try_pop(done) {
    seen = phase;
    if
    :: seen == ABORTED -> done = 2
    :: else ->
        d_step {
            if
            :: depth > 0 -> depth--; popped++; done = 1
            :: depth == 0 && seen == CLOSED -> done = 3
            :: else -> done = 0
            fi
        }
        if
        :: done == 1 -> notify(room, found, i, false)
        :: else
        fi
    fi;
    seen = OPEN
}

inline close() {
    d_step { unclosed--; found = unclosed }
    if
    :: found == 0 ->
        d_step {
            if
            :: phase == OPEN -> phase = CLOSED
            :: else
            fi
        }
        notify(items, found, i, BROKEN != 2)
    :: else
    fi;
    found = 0
}

proctype producer() {
    byte left = ITEMS, key, done, found, i;
    do
    :: left == 0 || done == 2 -> break
    :: else ->
        try_push(done);
        if
        :: done == 0 ->
            prepare(room, key);
            if
            :: BROKEN != 1 -> try_push(done)
            :: else
            fi;
            if
            :: done == 0 -> wait(room, key)
            :: else -> withdraw(room)
            fi
        :: else
        fi;
        if
        :: done == 1 -> left--; done = 0
        :: else
        fi;
        key = 0
    od;
    close();
    ended++
}

proctype consumer() {
    byte key, done, found, i;
    mtype seen = OPEN;
    do
    :: done >= 2 -> break
    :: else ->
        try_pop(done);
        if
        :: done == 0 ->
            prepare(items, key);
            if
            :: BROKEN != 1 -> try_pop(done)
            :: else
            fi;
            if
            :: done == 0 -> wait(items, key)
            :: else -> withdraw(items)
            fi
        :: else
        fi;
        key = 0
    od;
    assert(done == 2 || popped == pushed && unclosed == 0);
    ended++
}

proctype aborter() {
    byte found, i;
    phase = ABORTED;
    notify(items, found, i, true);
    if
    :: BROKEN != 4 -> notify(room, found, i, true)
    :: else
    fi;
    ended++
}

init {
    byte n;
    atomic {
        n = 0; do :: n < PRODUCERS -> run producer(); n++ :: else -> break od;
        n = 0; do :: n < CONSUMERS -> run consumer(); n++ :: else -> break od;
        n = 0; do :: n < ABORTS -> run aborter(); n++ :: else -> break od;
        n = 0
    }
    (ended == THREADS);
    assert(pushed == popped + depth);
    assert(items.waiters == 0 && room.waiters == 0);
    assert(ABORTS > 0 || depth == 0 && popped == PRODUCERS * ITEMS)
}

ltl ends { <> (ended == THREADS) }
