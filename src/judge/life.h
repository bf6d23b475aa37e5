/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include "judge/case.h"

/* Follows the service through its lives: a new process, a death, an end, a person's stop, the end of a pause. */
void life_step(const Case *c);

/* Afterwards, with the checks counted: is it well, for how long, and what follows from that. */
void life_prove(const Case *c);

/* Running, and not in the middle of an act of ours. */
bool life_is_up(const Case *c);

/* It uses more memory than it may. */
bool life_is_over_memory(const Case *c);

/* Whoever starts it ends a person's stop. */
void life_forget_operator_stop(ServiceJudgement *judgement);
