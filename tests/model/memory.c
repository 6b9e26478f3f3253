/* SPDX-License-Identifier: Apache-2.0 */
/* Messages, views, and what of them makes a state. */
#include "tests/model/internal.h"

#include <string.h>

model_machine model_m;

static model_location *location(int a)
{
    return &model_m.atomic[a];
}

static uint64_t native(const void *address, size_t size)
{
    uint64_t value = 0;
    memcpy(&value, address, size);
    return value;
}

void model_atomic(const char *name, void *object, size_t size)
{
    if (model_m.atomics == MODEL_ATOMICS || size > sizeof(uint64_t)) {
        model_fail("no place for %s", name);
        return;
    }
    model_location *l = location(model_m.atomics++);
    l->name = name;
    l->address = object;
    l->size = size;
    l->owner = -1;
    l->watched = false;
    l->count = 1;
    l->message[0] = (model_message){.value = native(object, size)};
}

void model_owned(const void *object, int thread)
{
    location(model_find(object))->owner = thread;
}

void model_watched(const void *object, unsigned threads)
{
    location(model_find(object))->watched = true;
    location(model_find(object))->loaded_by = threads;
}

void model_plain(const char *name, void *object, size_t bytes)
{
    if (model_m.plains == MODEL_PLAINS || bytes > 16) {
        model_fail("no place for %s", name);
        return;
    }
    model_m.plain[model_m.plains++] = (model_object){.name = name, .address = object, .bytes = bytes};
}

int model_find(const void *address)
{
    for (int a = 0; a < model_m.atomics; a++)
        if (location(a)->address == address)
            return a;
    model_fail("an atomic object that setup did not tell of");
    return 0;
}

void model_join(model_view *v, const model_view *with)
{
    for (int i = 0; i < VIEW; i++)
        v->seen[i] = v->seen[i] > with->seen[i] ? v->seen[i] : with->seen[i];
}

static void move_up(model_view *v, int a, int from)
{
    v->seen[a] = (uint8_t)(v->seen[a] + (v->seen[a] >= from));
}

/* Every view that knows message FROM of A or a later one, knows it by a number one higher. */
static void renumber(int a, int from)
{
    for (int t = 0; t < MODEL_THREADS; t++)
        move_up(&model_m.thread[t].view, a, from);
    move_up(&model_m.total, a, from);
    for (int b = 0; b < model_m.atomics; b++)
        for (int i = 0; i < location(b)->count; i++)
            move_up(&location(b)->message[i].view, a, from);
}

int model_insert(int a, int after, uint64_t value)
{
    model_location *l = location(a);
    int number = after + 1;
    if (l->count == MESSAGES)
        model_fail("more than %d messages of %s", MESSAGES, l->name);
    if (number < l->count) {
        renumber(a, number);
        memmove(&l->message[number + 1], &l->message[number],
                (size_t)(l->count - number) * sizeof *l->message);
    } else {
        memcpy(l->address, &value, l->size);
    }
    l->count++;
    l->message[number] = (model_message){.value = native(&value, l->size)};
    return number;
}

uint64_t model_newest(int a)
{
    return location(a)->message[location(a)->count - 1].value;
}

/* --- states --- */

uint64_t model_mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static bool may_read(const model_thread *t, int a)
{
    return t->status != ENDED && (!location(a)->watched || t->watching >> a & 1);
}

/* The oldest message of each location that any thread can still read: views differ only from there on. Where
 * none reads, only the newest can be modified. */
static model_view oldest_readable(void)
{
    model_view oldest;
    memset(&oldest, 0, sizeof oldest);
    for (int a = 0; a < model_m.atomics; a++) {
        oldest.seen[a] = (uint8_t)(location(a)->count - 1);
        for (int t = 0; t < model_m.program->threads; t++)
            if (may_read(&model_m.thread[t], a) && model_m.thread[t].view.seen[a] < oldest.seen[a])
                oldest.seen[a] = model_m.thread[t].view.seen[a];
    }
    return oldest;
}

/* What V can do in future: which messages it allows, and which plain accesses it has behind it. */
static uint64_t mix_view(uint64_t hash, const model_view *v, const model_view *oldest,
                         const model_view *newest)
{
    model_view canonical;
    for (int i = 0; i < MODEL_ATOMICS; i++)
        canonical.seen[i] = (uint8_t)(v->seen[i] > oldest->seen[i] ? v->seen[i] - oldest->seen[i] : 0);
    for (int i = MODEL_ATOMICS; i < VIEW; i++)
        canonical.seen[i] = v->seen[i] == newest->seen[i];
    uint64_t word[VIEW / 8];
    memcpy(word, &canonical, sizeof word);
    for (int i = 0; i < VIEW / 8; i++)
        hash = model_mix(hash, word[i]);
    return hash;
}

static model_view newest_accesses(void)
{
    model_view newest = {{0}};
    for (int p = 0; p < model_m.plains; p++) {
        newest.seen[WRITES + p] = model_m.plain[p].writes;
        memcpy(&newest.seen[READS + p * MODEL_THREADS], model_m.plain[p].reads, MODEL_THREADS);
    }
    return newest;
}

static uint64_t mix_location(uint64_t hash, const model_location *l, int first, const model_view *oldest,
                             const model_view *newest)
{
    hash = model_mix(hash, (uint64_t)l->count - (uint64_t)first);
    for (int i = first; i < l->count; i++) {
        hash = model_mix(hash, l->message[i].value);
        hash = mix_view(hash ^ l->message[i].follows, &l->message[i].view, oldest, newest);
    }
    return hash;
}

uint64_t model_state(void)
{
    model_view oldest = oldest_readable(), newest = newest_accesses();
    uint64_t hash = 1;
    for (int t = 0; t < model_m.program->threads; t++) {
        const model_thread *s = &model_m.thread[t];
        hash = model_mix(model_mix(model_mix(hash, s->status), s->learnt), (uintptr_t)s->word + s->woken);
        if (s->status != ENDED)
            hash = mix_view(hash, &s->view, &oldest, &newest);
    }
    for (int a = 0; a < model_m.atomics; a++)
        hash = mix_location(hash, location(a), oldest.seen[a], &oldest, &newest);
    for (int a = 0; a < model_m.atomics; a++)
        if (model_m.total.seen[a] > oldest.seen[a])
            hash = model_mix(hash, (uint64_t)a << 8 | (uint64_t)(model_m.total.seen[a] - oldest.seen[a]));
    for (int p = 0; p < model_m.plains; p++) {
        uint64_t word[2] = {0};
        memcpy(word, model_m.plain[p].address, model_m.plain[p].bytes);
        hash = model_mix(model_mix(hash, word[0]), word[1]);
    }
    return hash;
}
