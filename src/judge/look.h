/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include "judge/case.h"

/* Counts every reading that is new, each once, and tells what began to fail, what recovered and what changed level. */
void look_step(const Case *c);

/* May failures of this check end in a restart, or only in an alarm. */
bool look_may_restart(const ServiceConfig *service, CheckKind kind);

/* Is what the last reading said still to be believed: of the present life, said ok or fail, and not too old. */
bool look_is_fresh(const Case *c, CheckKind kind);

/* A reading older than this says nothing about now. */
usec_t look_stale_usec(const WatchConfig *watch, usec_t timeout_usec);

/* The first check that failed `failures` times in a row and is still seen failing; false when there is none. */
bool look_find_failed(const Case *c, CheckKind *ret_kind);

/* No check that may restart the service is failing. */
bool look_is_well(const Case *c);

/* Those that answer for it have answered well often enough in this life. With none that answers, being past grace is
 * all there is to go by. */
bool look_is_proven(const Case *c);

/* How bad one check stands. */
Level look_level(const Case *c, CheckKind kind);
