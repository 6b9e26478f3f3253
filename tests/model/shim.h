/* SPDX-License-Identifier: Apache-2.0 */
/* Named by MR_SCHEDULE_SHIM: makes every operation of base/atomic.h a call of the model checker
 * (checker.h). Each place in the source is a site, known by its function and operation, whose order a mutant
 * can weaken. */
#ifndef MR_TESTS_MODEL_SHIM_H
#define MR_TESTS_MODEL_SHIM_H

#include "tests/model/checker.h"

#define MODEL_SITE(operation)                                                                                \
    ({                                                                                                       \
        static model_site site_;                                                                             \
        site_.function = __func__;                                                                           \
        site_.kind = operation;                                                                              \
        &site_;                                                                                              \
    })
/* An atomic object's address without its qualifier, and its values as what they are without it. */
#define MODEL_WORD(object) ((model_word){(void *)(object), sizeof *(object)})
#define MODEL_TYPE(object) __typeof__(atomic_load_explicit(object, memory_order_relaxed))

#define mr_load(object, order) ((MODEL_TYPE(object))model_load(MODEL_SITE("load"), MODEL_WORD(object), order))
#define mr_store(object, value, order)                                                                       \
    model_store(MODEL_SITE("store"), MODEL_WORD(object), (uint64_t)(value), order)
/* A statement's value, so that it need not be used. */
#define mr_fetch_add(object, value, order)                                                                   \
    ({                                                                                                       \
        MODEL_TYPE(object)                                                                                   \
        old_ =                                                                                               \
            (MODEL_TYPE(object))model_add(MODEL_SITE("add"), MODEL_WORD(object), (uint64_t)(value), order);  \
        old_;                                                                                                \
    })
#define mr_fetch_sub(object, value, order) mr_fetch_add(object, -(uint64_t)(value), order)
#define mr_compare_exchange(object, expected, value, success, failure)                                       \
    model_compare_exchange(MODEL_SITE("exchange"), MODEL_WORD(object), expected, (uint64_t)(value), success, \
                           failure)
/* Any value that a relaxed load may give will do, so it may be the newest, without a trace: the load orders
 * nothing and its value decides nothing. */
#define mr_peek(object) atomic_load_explicit(object, memory_order_relaxed)

#define mr_will_read(object) model_read(object)
#define mr_will_write(object) model_write(object)

/* What a spin could see, the look before the sleep sees too. */
#define MR_SPINS(count) 0
#define mr_futex_wait(word, key) model_futex_wait(word, key)
#define mr_futex_wake(word, threads) model_futex_wake(word, threads)

#endif
