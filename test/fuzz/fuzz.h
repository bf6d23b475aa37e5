/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* What a fuzz target defines: feeds the input to the code under test and asserts what must hold of any input. Returns
 * zero (libFuzzer, "Fuzz Target"). */
/* NOLINTNEXTLINE(readability-identifier-naming): libFuzzer gives the name. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
