/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

/* The four headers cmocka wants before its own, in the order it wants them. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
