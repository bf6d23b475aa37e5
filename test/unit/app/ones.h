/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

/* The compiler shall not mind that there are more ones here than members to take them. */
#pragma GCC system_header

#include "app/checkpoint.h"
#include "judge/judge.h"

#define ONES_8 1, 1, 1, 1, 1, 1, 1, 1
#define ONES_64 ONES_8, ONES_8, ONES_8, ONES_8, ONES_8, ONES_8, ONES_8, ONES_8
#define ONES_512 ONES_64, ONES_64, ONES_64, ONES_64, ONES_64, ONES_64, ONES_64, ONES_64
#define ONES_4096 ONES_512, ONES_512, ONES_512, ONES_512, ONES_512, ONES_512, ONES_512, ONES_512
#define ONES_32768 \
        ONES_4096, ONES_4096, ONES_4096, ONES_4096, ONES_4096, ONES_4096, ONES_4096, ONES_4096

/* Every member of every structure within is one, whatever it is called and however many there are; the bytes between
 * them are zero. */
static const JudgeState judge_of_ones = { ONES_32768 };
static const PendingAct pending_of_ones = { ONES_64 };
