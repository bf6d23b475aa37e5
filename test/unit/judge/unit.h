/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

/* cmocka.h wants these four before it, and the formatter would sort them behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#ifndef UNIT_CMOCKA
#        define UNIT_CMOCKA
#        include <cmocka.h>
#endif
