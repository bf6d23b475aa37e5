/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <sqlite3.h>
#include <stdint.h>

#include "base/macro.h"

/* Small helpers over SQLite's C interface. Codes are SQLite's own unless said otherwise. */

static inline void statement_cleanup(sqlite3_stmt **statement) {
        (void) sqlite3_finalize(
                *statement); /* repeats the error of the last step, which was looked at there */
}

#define CLEANUP_STATEMENT CLEANUP(statement_cleanup)

/* Runs statements without a result. */
int sql_run(sqlite3 *db, const char *sql);

/* Prepares one statement; finalize it, or use CLEANUP_STATEMENT. */
int sql_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_statement);

/* The first column of the first row. SQLITE_DONE when there is no row or it is NULL. */
int sql_number(sqlite3 *db, const char *sql, int64_t *ret_number);

/* Steps a statement that gives no rows: SQLITE_OK for SQLITE_DONE. */
int sql_step_done(sqlite3_stmt *statement);

/* Opens a file with the settings all our connections share. On failure nothing stays open. */
int sql_open(const char *path, int flags, sqlite3 **ret_db);

/* What a failure means to our callers, as a negative errno (store/store.h). `db` may be NULL. */
int sql_errno(sqlite3 *db, int code);

/* Brings an empty or older file to the present schema. SQLITE_MISMATCH for a newer one. */
int sql_migrate(sqlite3 *db);
