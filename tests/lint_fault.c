/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lint.sh asks clang-tidy and cppcheck for this fault before it believes that there are no others. */
#include <stddef.h>

int fault(void);

int fault(void)
{
    const int *nothing = NULL;
    return *nothing;
}
