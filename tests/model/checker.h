/* SPDX-License-Identifier: Apache-2.0 */
/* A model checker for small programs of C11 threads: runs them in every order of their shared accesses, with
 * every value that the memory model lets a load return.
 *
 * Memory (the operational semantics of release, acquire and relaxed accesses, as in Kang et al., A promising
 * semantics for relaxed-memory concurrency, POPL 2017, without promises; that is RC11 of Lahav et al., PLDI
 * 2017, whose axiom is that program order and reads-from have no cycle): every location has a list of
 * messages in modification order; every thread has a view, the oldest message of each location that it may
 * still read. Reading moves the view of that location; an acquire takes over the view that the message
 * carries; a release gives the writer's. A store goes anywhere behind the writer's view but never between a
 * read-modify-write and what that read. Sequentially consistent accesses take place in the order of the run,
 * which is their total order: each reads nothing older, and stores behind everything, that such an access of
 * its location has met before; besides they acquire and release. Fences are refused: the code under test has
 * none.
 *
 * Races: plain objects are locations too, and an access whose thread does not have all earlier conflicting
 * accesses in its view is a failure.
 *
 * Search: depth first; a run is repeated from its beginning with the next choice (threads are coroutines). A
 * state that was met before is not continued. A state is what each thread has learnt since it last settled,
 * the views, the messages that can still be read, the plain objects, who sleeps; of it 64 hashed bits are
 * kept.
 *
 * Bound: an operation (site) of a thread that gave the same value model_program.stale times since the thread
 * settled gives the newest value from then on. C11 promises only that a store is seen in finite time; without
 * a bound a loop would read the old for ever.
 */
#ifndef MR_TESTS_MODEL_CHECKER_H
#define MR_TESTS_MODEL_CHECKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { MODEL_THREADS = 4, MODEL_ATOMICS = 16, MODEL_PLAINS = 6 };

typedef struct model_site {
    const char *function, *kind; /* kind: load, store, add, exchange */
    int orders;                  /* MODEL_ACQUIRE | …, as far as it was executed with them */
    int number;                  /* from 1; 0: not executed yet */
    struct model_site *next;
} model_site;

enum { MODEL_ACQUIRE = 1, MODEL_RELEASE = 2, MODEL_TOTAL = 4 /* sequentially consistent */ };

/* What is done wrong on purpose. */
typedef enum model_fault {
    MODEL_SOUND,
    MODEL_WEAK,        /* the site loses the order `part` */
    MODEL_NO_WAKE,     /* futex wakes nobody */
    MODEL_BLIND_SLEEP, /* futex sleeps without comparing */
    MODEL_NO_CLAIM,    /* every compare-and-exchange in `function` succeeds */
    MODEL_LOST_ADD,    /* the addition in `function` adds nothing */
    MODEL_NO_RETRY     /* the program leaves its second try out: see model_announced() */
} model_fault;

typedef struct model_mutant {
    model_fault fault;
    const char *function, *kind; /* of the site; kind NULL: any */
    int part;
} model_mutant;

typedef struct model_program {
    const char *name;
    int threads;
    void (*setup)(void); /* before every run: makes the objects, and tells the checker of them */
    void (*body)(int thread);
    void (*finish)(void); /* when all threads have ended */
    int stale;            /* above: Bound */
    int interrupts;       /* most sleeps that a signal ends early, between two calls of model_settle */
    int preemptions;      /* most switches away from a thread that could go on; negative: any number */
    uint64_t states_max;  /* 0: no limit */
} model_program;

typedef struct model_result {
    uint64_t runs, states, steps; /* steps: operations, those of repeated beginnings included */
    bool complete;                /* the search came to its end, within the bounds */
    char failure[200];            /* empty, or the property that failed first */
} model_result;

/* MUTANT may be NULL. TRACE: where to print the run that failed, or NULL. */
model_result model_check(const model_program *p, const model_mutant *mutant, FILE *trace);
/* All sites that were executed so far. */
const model_site *model_sites(void);

/* --- for the program --- */

/* In setup: an atomic object that already has its first value; a plain one, of which BYTES (at most 16) tell
 * apart the values that it can have. */
void model_atomic(const char *name, void *object, size_t size);
/* Only THREAD uses the object, which is checked: its operations there come between nobody's. */
void model_owned(const void *object, int thread);
/* All writes to the object are read-modify-writes, and none but THREADS (bits) load it, each between its odd
 * and its even read-modify-write: at other times it does not matter how old a message a thread knows of.
 * Checked, too. */
void model_watched(const void *object, unsigned threads);
void model_plain(const char *name, void *object, size_t bytes);
/* The thread's future depends on KNOWN and on where in the program it is: all else that it has read is
 * forgotten. */
void model_settle(uint64_t known);
/* To make KNOWN of several values. */
uint64_t model_mix(uint64_t hash, uint64_t value);
/* True between the thread's odd and its even modification of a watched object. */
bool model_watching(const void *object);
/* What the thread last read from an atomic object. */
uint64_t model_last(const void *object);
/* The thread whose code runs; negative in setup and finish. */
int model_self(void);
/* True under MODEL_NO_RETRY where the thread's last read-modify-write was in FUNCTION. */
bool model_announced(const char *function);
/* Ends the run: a property does not hold. */
void model_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define MODEL_REQUIRE(condition) ((condition) ? (void)0 : model_fail("%s", #condition))

/* --- for shim.h --- */

typedef struct model_word {
    void *address;
    size_t size;
} model_word;

uint64_t model_load(model_site *site, model_word w, memory_order order);
void model_store(model_site *site, model_word w, uint64_t value, memory_order order);
uint64_t model_add(model_site *site, model_word w, uint64_t value, memory_order order);
bool model_compare_exchange(model_site *site, model_word w, void *expected, uint64_t value,
                            memory_order success, memory_order failure);
void model_read(const void *object);
void model_write(const void *object);
void model_futex_wait(const uint32_t *word, uint32_t key);
void model_futex_wake(const uint32_t *word, int threads);

#endif
