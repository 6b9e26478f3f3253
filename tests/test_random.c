/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/shared.h"

#include "base/random.h"

/* Known answers published with Random123 (kat_vectors, philox4x32 10). */
static void known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } kat[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof kat / sizeof *kat; i++) {
        uint32_t out[4];
        mr_philox_block(kat[i].counter, kat[i].key, out);
        assert_memory_equal(out, kat[i].out, sizeof out);
    }
}

static void permutation_is_one(void **state)
{
    (void)state;
    uint32_t p[257];
    unsigned char seen[257] = {0};
    mr_philox_permutation(p, 257, 42, MR_DRAW_SHUFFLE, 3);
    int moved = 0;
    for (uint32_t i = 0; i < 257; i++) {
        assert_in_range(p[i], 0, 256);
        assert_int_equal(seen[p[i]]++, 0);
        moved += p[i] != i;
    }
    assert_true(moved > 200);
}

static void streams_differ(void **state)
{
    (void)state;
    mr_philox a, b;
    mr_philox_init(&a, 1, MR_DRAW_AUGMENT, 1, 0);
    mr_philox_init(&b, 1, MR_DRAW_AUGMENT, 0, 1);
    assert_int_not_equal(mr_philox_u32(&a), mr_philox_u32(&b));
    double sum = 0, squares = 0;
    for (int i = 0; i < 100000; i++) {
        double x = mr_philox_normal(&a);
        sum += x;
        squares += x * x;
    }
    assert_true(sum / 1e5 < 0.02 && sum / 1e5 > -0.02);
    assert_true(squares / 1e5 > 0.98 && squares / 1e5 < 1.02);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(permutation_is_one),
        cmocka_unit_test(streams_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
