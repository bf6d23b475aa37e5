/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include "judge/case.h"

/* Every event of the judge is worded here, one function for each thing that can be told. They only write into the
 * decision of the case. */

void tell_died(const Case *c, usec_t lived_usec, bool is_known);
void tell_ended(const Case *c, usec_t lived_usec);
void tell_up(const Case *c);
void tell_operator_stop(const Case *c);
void tell_stop_reminder(const Case *c);

void tell_check_failed(const Case *c, CheckKind kind);
void tell_check_goes_on(const Case *c, CheckKind kind);
void tell_check_recovered(const Case *c, CheckKind kind);
void tell_check_level(const Case *c, CheckKind kind, const Thresholds *thresholds, Level before);

/* An act is wanted and will be done; wanted but not done, until about then. */
void tell_decided(const Case *c, const Intent *intent, ReasonCode wanted);
void tell_refused(const Case *c, const Intent *wanted, RefusalCode refusal, usec_t until_usec);

void tell_held(const Case *c, const Intent *wanted);
void tell_released(const Case *c, bool is_by_person);
void tell_paused(const Case *c);
void tell_resumed(const Case *c, bool is_by_person);
void tell_pause_reminder(const Case *c);

void tell_done(const Case *c, ActionKind action, const char *why, usec_t took_usec);
void tell_not_done(const Case *c, ActionKind action, const char *why, usec_t took_usec);

/* A level of the machine: "cpu", "memory", or the path of a disk. */
void tell_host_level(Decision *decision,
                     const Config *config,
                     const Snapshot *snapshot,
                     const char *metric,
                     const char *path,
                     int64_t value,
                     const Thresholds *thresholds,
                     Level before,
                     Level after);
