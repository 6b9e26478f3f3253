/* SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer's own mutations, with the checksums made right again in seven of eight. */
#include "tests/fuzz/fuzz.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t capacity);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed)
{
    size = LLVMFuzzerMutate(data, size, capacity);
    if (seed % 8)
        fuzz_repair(data, size);
    return size;
}
