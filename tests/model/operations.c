/* SPDX-License-Identifier: Apache-2.0 */
/* What the code under test calls in place of its atomic operations. */
#include "tests/model/internal.h"

#include <stdarg.h>
#include <string.h>

static model_site *sites;

const model_site *model_sites(void)
{
    return sites;
}

static bool is_mutated(const model_site *s, model_fault fault)
{
    const model_mutant *m = &model_m.mutant;
    return m->fault == fault && strcmp(m->function, s->function) == 0 &&
           (!m->kind || strcmp(m->kind, s->kind) == 0);
}

static int parts_of_order(memory_order order)
{
    switch (order) {
    case memory_order_relaxed:
        return 0;
    case memory_order_acquire:
        return MODEL_ACQUIRE;
    case memory_order_release:
        return MODEL_RELEASE;
    case memory_order_acq_rel:
        return MODEL_ACQUIRE | MODEL_RELEASE;
    case memory_order_seq_cst:
        return MODEL_ACQUIRE | MODEL_RELEASE | MODEL_TOTAL;
    default:
        model_fail("an order that is not modelled");
        return 0;
    }
}

/* The MODEL_ bits of ORDER that are left at the site. */
static int parts_of(model_site *s, memory_order order)
{
    int parts = parts_of_order(order);
    if (!strcmp(s->kind, "load"))
        parts &= ~MODEL_RELEASE;
    else if (!strcmp(s->kind, "store"))
        parts &= ~MODEL_ACQUIRE;
    if (!s->number) {
        s->number = sites ? sites->number + 1 : 1;
        s->next = sites;
        sites = s;
    }
    if (s->number >= SITES)
        model_fail("more than %d sites", SITES);
    s->orders |= parts;
    return is_mutated(s, MODEL_WEAK) ? parts & ~model_m.mutant.part : parts;
}

static model_thread *self(void)
{
    return &model_m.thread[model_m.running];
}

static void learn(uint64_t value)
{
    self()->learnt = model_mix(self()->learnt, value);
}

/* One of the messages of A that the thread may read at SITE, and at which ALLOWED; the newest is tried first.
 */
static int pick(const model_site *site, int a,
                bool (*allowed)(const model_location *l, int number, uint64_t expected), uint64_t expected)
{
    model_thread *t = self();
    const model_location *l = &model_m.atomic[a];
    int candidate[MESSAGES], count = 0, newest = l->count - 1;
    int oldest = t->repeat[site->number].times < model_m.program->stale ? t->view.seen[a] : newest;
    for (int i = newest; i >= oldest; i--)
        if (allowed(l, i, expected))
            candidate[count++] = i;
    int number = candidate[model_choose(count)];
    bool again = t->repeat[site->number].value == l->message[number].value;
    t->repeat[site->number].times = again ? t->repeat[site->number].times + 1 : 1;
    t->repeat[site->number].value = l->message[number].value;
    return number;
}

/* A sequentially consistent access: what an earlier one has met of A lies before it. */
static void come_after(int a, int parts)
{
    uint8_t *seen = &self()->view.seen[a];
    if (parts & MODEL_TOTAL && *seen < model_m.total.seen[a])
        *seen = model_m.total.seen[a];
}

/* … and what it has met itself lies before later ones. */
static void go_before(int a, int parts)
{
    if (parts & MODEL_TOTAL)
        model_m.total.seen[a] = self()->view.seen[a];
}

static bool any(const model_location *l, int number, uint64_t expected)
{
    (void)l, (void)number, (void)expected;
    return true;
}

static bool has_room_behind(const model_location *l, int number, uint64_t expected)
{
    (void)expected;
    return number + 1 == l->count || !l->message[number + 1].follows;
}

static bool can_exchange(const model_location *l, int number, uint64_t expected)
{
    return l->message[number].value != expected || has_room_behind(l, number, expected);
}

static uint64_t read_message(int a, int number, int parts)
{
    model_thread *t = self();
    const model_message *m = &model_m.atomic[a].message[number];
    if (number > t->view.seen[a])
        t->view.seen[a] = (uint8_t)number;
    if (parts & MODEL_ACQUIRE)
        model_join(&t->view, &m->view);
    learn(m->value);
    t->last[a] = m->value;
    return m->value;
}

static int write_message(int a, int after, uint64_t value, int parts)
{
    int number = model_insert(a, after, value);
    model_message *m = &model_m.atomic[a].message[number];
    self()->view.seen[a] = (uint8_t)number;
    if (parts & MODEL_RELEASE)
        m->view = self()->view;
    else
        m->view.seen[a] = (uint8_t)number;
    return number;
}

/* Reads message NUMBER and puts VALUE behind it. What it read stays at the head of one release sequence. */
static void modify(int a, int number, uint64_t value, int parts)
{
    int made = write_message(a, number, value, parts);
    model_message *m = model_m.atomic[a].message;
    m[made].follows = true;
    model_join(&m[made].view, &m[number].view);
}

uint64_t model_load(model_site *site, model_word w, memory_order order)
{
    if (model_m.running < 0)
        return model_newest(model_find(w.address));
    int a = model_find(w.address), parts = parts_of(site, order);
    model_point(a);
    if (model_m.atomic[a].watched && !(self()->watching >> a & 1))
        model_fail("thread %d loads %s out of turn", model_m.running, model_m.atomic[a].name);
    come_after(a, parts);
    int number = pick(site, a, any, 0);
    model_note(site, number + 1 < model_m.atomic[a].count ? "loads, stale," : "loads", model_m.atomic[a].name,
               model_m.atomic[a].message[number].value);
    uint64_t value = read_message(a, number, parts);
    go_before(a, parts);
    return value;
}

void model_store(model_site *site, model_word w, uint64_t value, memory_order order)
{
    if (model_m.running < 0) {
        memcpy(w.address, &value, w.size);
        model_insert(model_find(w.address), model_m.atomic[model_find(w.address)].count - 1, value);
        return;
    }
    int a = model_find(w.address), parts = parts_of(site, order);
    model_point(a);
    model_note(site, "stores", model_m.atomic[a].name, value);
    come_after(a, parts);
    write_message(a, pick(site, a, has_room_behind, 0), value, parts);
    go_before(a, parts);
}

uint64_t model_add(model_site *site, model_word w, uint64_t value, memory_order order)
{
    int a = model_find(w.address);
    if (model_m.running < 0) {
        uint64_t old = model_newest(a);
        model_insert(a, model_m.atomic[a].count - 1, old + value);
        return old;
    }
    model_point(a);
    int parts = parts_of(site, order);
    come_after(a, parts);
    int number = pick(site, a, has_room_behind, 0);
    self()->announced = site->function;
    self()->watching ^= (model_m.atomic[a].watched && model_m.atomic[a].loaded_by >> model_m.running & 1)
                        << a;
    uint64_t old = read_message(a, number, parts);
    if (is_mutated(site, MODEL_LOST_ADD))
        value = 0;
    model_note(site, "adds, finding", model_m.atomic[a].name, old);
    modify(a, number, old + value, parts);
    go_before(a, parts);
    return old;
}

static uint64_t value_of(const void *object, size_t size)
{
    uint64_t value = 0;
    memcpy(&value, object, size);
    return value;
}

static bool exchange_natively(int a, void *expected, uint64_t value)
{
    model_location *l = &model_m.atomic[a];
    uint64_t old = model_newest(a);
    if (old == value_of(expected, l->size)) {
        model_insert(a, l->count - 1, value);
        return true;
    }
    memcpy(expected, &old, l->size);
    return false;
}

bool model_compare_exchange(model_site *site, model_word w, void *expected, uint64_t value,
                            memory_order success, memory_order failure)
{
    int a = model_find(w.address);
    if (model_m.running < 0)
        return exchange_natively(a, expected, value);
    model_point(a);
    int won_parts = parts_of(site, success), lost_parts = parts_of(site, failure);
    uint64_t wanted = value_of(expected, w.size);
    if ((won_parts | lost_parts) & MODEL_TOTAL)
        model_fail("a sequentially consistent exchange is not modelled");
    int number = pick(site, a, can_exchange, wanted);
    uint64_t old = model_m.atomic[a].message[number].value;
    bool won = old == wanted || is_mutated(site, MODEL_NO_CLAIM);
    model_note(site, won ? "exchanges" : "fails to exchange", model_m.atomic[a].name, old);
    read_message(a, number, won ? won_parts : lost_parts);
    if (won)
        modify(a, number, value, won_parts);
    else
        memcpy(expected, &old, w.size);
    return won;
}

/* --- plain objects --- */

static int find_plain(const void *object)
{
    for (int p = 0; p < model_m.plains; p++)
        if (model_m.plain[p].address == object)
            return p;
    model_fail("a plain object that setup did not tell of");
    return 0;
}

void model_read(const void *object)
{
    if (model_m.running < 0)
        return;
    int p = find_plain(object), t = model_m.running;
    model_object *o = &model_m.plain[p];
    model_note(NULL, "reads", o->name, value_of(o->address, o->bytes < 8 ? o->bytes : 8));
    if (self()->view.seen[WRITES + p] != o->writes)
        model_fail("a race: thread %d reads %s and cannot be sure of what was written to it", t, o->name);
    self()->view.seen[READS + p * MODEL_THREADS + t] = ++o->reads[t];
    uint64_t word[2] = {0};
    memcpy(word, o->address, o->bytes);
    learn(word[0]);
    learn(word[1]);
}

void model_write(const void *object)
{
    if (model_m.running < 0)
        return;
    int p = find_plain(object), t = model_m.running;
    model_object *o = &model_m.plain[p];
    model_note(NULL, "writes", o->name, 0);
    if (self()->view.seen[WRITES + p] != o->writes)
        model_fail("a race: thread %d writes %s, and another write may be under way", t, o->name);
    for (int r = 0; r < MODEL_THREADS; r++)
        if (self()->view.seen[READS + p * MODEL_THREADS + r] != o->reads[r])
            model_fail("a race: thread %d writes %s while thread %d may be reading it", t, o->name, r);
    self()->view.seen[WRITES + p] = ++o->writes;
}

/* --- sleep --- */

/* The location that holds WORD, which may be its upper half. */
static int find_word(const uint32_t *word)
{
    for (int a = 0; a < model_m.atomics; a++) {
        const char *start = model_m.atomic[a].address;
        if ((const char *)word >= start && (const char *)word < start + model_m.atomic[a].size)
            return a;
    }
    return model_find(word);
}

void model_futex_wait(const uint32_t *word, uint32_t key)
{
    int a = find_word(word);
    model_point(a);
    model_thread *t = self();
    t->view.seen[a] = (uint8_t)(model_m.atomic[a].count - 1); /* *word is the newest value */
    if (*word != key && model_m.mutant.fault != MODEL_BLIND_SLEEP) {
        model_note(NULL, "does not sleep on", model_m.atomic[a].name, key);
        learn(0);
        return;
    }
    if (t->interrupts < model_m.program->interrupts && model_choose(2)) {
        t->interrupts++;
        model_note(NULL, "is interrupted on", model_m.atomic[a].name, key);
        learn(1);
        return;
    }
    model_note(NULL, "sleeps on", model_m.atomic[a].name, key);
    learn(2);
    t->status = ASLEEP;
    t->word = word;
    model_pause();
    model_note(NULL, "wakes on", model_m.atomic[a].name, key);
}

static void wake_one_of(const int *sleeper, int count)
{
    model_thread *t = &model_m.thread[sleeper[model_choose(count)]];
    t->status = READY;
    t->word = NULL;
    t->woken = true;
}

void model_futex_wake(const uint32_t *word, int threads)
{
    model_point(find_word(word));
    model_note(NULL, "wakes the sleepers on", model_m.atomic[find_word(word)].name, (uint64_t)threads);
    for (; threads > 0 && model_m.mutant.fault != MODEL_NO_WAKE; threads--) {
        int sleeper[MODEL_THREADS], count = 0;
        for (int t = 0; t < model_m.program->threads; t++)
            if (model_m.thread[t].status == ASLEEP && model_m.thread[t].word == word)
                sleeper[count++] = t;
        if (count == 0)
            return;
        wake_one_of(sleeper, count);
    }
}

/* --- for programs --- */

void model_settle(uint64_t known)
{
    if (model_m.running < 0)
        return;
    model_thread *t = self();
    t->learnt = model_mix(0, known);
    memset(t->repeat, 0, sizeof t->repeat);
    t->interrupts = 0;
}

int model_self(void)
{
    return model_m.running;
}

bool model_watching(const void *object)
{
    return self()->watching >> model_find(object) & 1;
}

uint64_t model_last(const void *object)
{
    return self()->last[model_find(object)];
}

bool model_announced(const char *function)
{
    return model_m.running >= 0 && model_m.mutant.fault == MODEL_NO_RETRY && self()->announced &&
           strcmp(self()->announced, function) == 0;
}

void model_fail(const char *format, ...)
{
    if (!*model_m.failure) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(model_m.failure, sizeof model_m.failure, format, arguments);
        va_end(arguments);
    }
    if (model_m.running >= 0)
        model_pause();
}
