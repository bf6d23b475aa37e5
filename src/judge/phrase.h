/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include "base/buf.h"
#include "judge/case.h"

/* Parts of sentences and of reasons, appended to what is there. */

void phrase_permille(Buf *text, int64_t permille); /* "82 %", "1.5 %" */
void phrase_value(Buf *text,
                  CheckKind kind,
                  int64_t value); /* "memory is at 82 % of its ceiling" */
void phrase_host_value(Buf *text, const char *metric, const char *path, int64_t permille);
void phrase_edges(Buf *text, CheckKind kind, const Thresholds *thresholds, Level now);
void phrase_slope(Buf *text, int64_t bytes_per_hour); /* ", +43 MB/h"; nothing when it is small */

/* "NAME is restarted: ", "NAME is not restarted now", "NAME could not be restarted". */
void phrase_action(Buf *text, const char *name, ActionKind action);
void phrase_action_refused(Buf *text, const char *name, ActionKind action);
void phrase_action_failed(Buf *text, const char *name, ActionKind action);

/* What asks for the act: "check api failed 3 times in a row (no answer in time)". */
void phrase_wanted(Buf *text, const Case *c, const Intent *wanted);

/* " It died 4 times soon after its start, each time: exit status 1."; nothing when it did not. */
void phrase_crash_loop(Buf *text, const ServiceJudgement *judgement);

/* {"code":…, and what asked for the act; the object is left open. */
void phrase_reason_begin(Buf *reason, const Case *c, const char *code, const Intent *wanted);
void phrase_reason_host(Buf *reason, const HostFacts *host);

/* The service that takes more than half of what the machine uses, and how much of the machine that is. */
bool phrase_find_culprit(const Snapshot *snapshot,
                         bool is_memory,
                         int64_t used_permille,
                         unsigned *ret_index,
                         int64_t *ret_permille);
