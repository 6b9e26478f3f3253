/* SPDX-License-Identifier: Apache-2.0 */
#include <millrace/millrace.h>

const char *mr_version(void)
{
    return MR_VERSION_STRING;
}
