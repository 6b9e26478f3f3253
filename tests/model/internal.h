/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the checker among themselves: memory.c (messages and views), operations.c (what threads call),
 * search.c (orders, choices, states), coroutine.c (threads). One search at a time, in one thread. */
#ifndef MR_TESTS_MODEL_INTERNAL_H
#define MR_TESTS_MODEL_INTERNAL_H

#include "tests/model/checker.h"

enum { SITES = 32, MESSAGES = 48, VIEW = 48, WRITES = MODEL_ATOMICS, READS = WRITES + MODEL_PLAINS };
_Static_assert(READS + MODEL_PLAINS * MODEL_THREADS <= VIEW, "a view has a place for everything");

/* What a thread knows: of atomic object a the message seen[a]; of plain object p the write seen[WRITES + p]
 * and thread t's read seen[READS + p*MODEL_THREADS + t], both counted from 1. */
typedef struct model_view {
    uint8_t seen[VIEW];
} model_view;

typedef struct model_message {
    uint64_t value;
    model_view view; /* what an acquiring reader takes over */
    bool follows;    /* a read-modify-write of the message before it: nothing comes between */
} model_message;

typedef struct model_location {
    const char *name;
    void *address; /* holds the newest value */
    size_t size;
    int owner;          /* the only thread that uses it, or -1 */
    bool watched;       /* model_watched() */
    unsigned loaded_by; /* where watched: bits of threads */
    int count;
    model_message message[MESSAGES]; /* in modification order */
} model_location;

typedef struct model_object {
    const char *name;
    void *address;
    size_t bytes;
    uint8_t writes, reads[MODEL_THREADS];
} model_object;

typedef enum model_status { READY, ASLEEP, ENDED } model_status;

typedef struct model_thread {
    model_status status;
    const void *word; /* ASLEEP: on this */
    bool woken;       /* goes on with its next operation at once */
    model_view view;
    uint64_t learnt;   /* hash of all it has read since it settled */
    unsigned watching; /* bits of locations, see model_watched() */
    struct {
        uint64_t value;
        int times; /* that the site gave it, since the thread settled */
    } repeat[SITES];
    int interrupts;               /* sleeps ended by signals since it settled */
    const char *announced;        /* function of its last addition */
    uint64_t last[MODEL_ATOMICS]; /* value read from each */
} model_thread;

typedef struct model_machine {
    const model_program *program;
    model_mutant mutant;
    model_location atomic[MODEL_ATOMICS];
    model_object plain[MODEL_PLAINS];
    model_thread thread[MODEL_THREADS];
    int atomics, plains;
    model_view total; /* of each location the newest message that a sequentially consistent access has met */
    int running; /* the thread whose code runs; -1: setup or finish, where operations act on memory alone */
    char failure[200];
} model_machine;
extern model_machine model_m;

/* memory.c */
int model_find(const void *address);
void model_join(model_view *v, const model_view *with);
/* Puts a message behind number AFTER of location A, and gives its number. */
int model_insert(int a, int after, uint64_t value);
uint64_t model_newest(int a);
uint64_t model_state(void);

/* search.c */
/* 0 to COUNT-1: all of them in turn, over the runs. */
int model_choose(int count);
/* Lets the others go first, where they could notice. Returns when the operation on location A is to be done.
 */
void model_point(int a);
/* For the trace. */
void model_note(const model_site *site, const char *what, const char *object, uint64_t value);

/* coroutine.c */
void model_start_over(int thread, void (*body)(int thread));
/* Runs a thread until it pauses, ends (status ENDED) or fails. */
void model_resume(int thread);
void model_pause(void);

#endif
