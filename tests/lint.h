/* SPDX-License-Identifier: Apache-2.0 */
/* What `make lint` tells clang's analyzer, which sees one file at a time: a failure's status is never 0. */
#include "base/error.h"
#define mr_fail(e, code, ...) (mr_fail(e, code, __VA_ARGS__), (code))
#define mr_fail_errno(...) (mr_fail_errno(__VA_ARGS__), MR_EIO)
#define mr_hint(e, code, ...) (mr_hint(e, code, __VA_ARGS__), (code))
