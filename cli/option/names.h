/* SPDX-License-Identifier: Apache-2.0 */
/* The values that an option takes by name, from the tables that hold them: for --help, and for errors. */
#ifndef MR_CLI_NAMES_H
#define MR_CLI_NAMES_H

#include "base/error.h"

#include <stddef.h>

enum { MR_NAMES_TEXT = 768 };

/* The names for --OPTION, "a, b, c", into TEXT (of MR_NAMES_TEXT bytes), which is returned; "" for options whose values are
 * not names. */
const char *mr_cli_names(const char *option, char *text);
/* MR_EUSAGE: VALUE is none of --OPTION's names, which are listed. */
int mr_cli_unknown_name(const char *option, const char *value, mr_error *e);

#endif
