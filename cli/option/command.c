/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/option/command.h"

int mr_exit_status(int code)
{
    return code == MR_EUSAGE ? MR_EXIT_USAGE : MR_EXIT_FAILED;
}
