/* SPDX-License-Identifier: Apache-2.0 */

/*
 * SQL: the schema, and what SQLite says in words of ours.
 *
 * The file's schema has a number (PRAGMA user_version). Each step of the table below leads from one
 * number to the next, and all steps that are missing run in one transaction. A file with a higher
 * number than we know was written by a later version of the program; it is left alone.
 *
 * Samples are by far the most rows, so they are as narrow as SQLite allows: the pair of metric and
 * service is a small number, the time is in milliseconds, and the table is its own index.
 */

#include "store/sql.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>

/* How long a call waits for another process that holds the lock. */
#define BUSY_TIMEOUT_MS 200

static const char *const schema_steps[] = {
        "CREATE TABLE event ("
        "  seq INTEGER PRIMARY KEY,"
        "  time INTEGER NOT NULL,"
        "  service TEXT NOT NULL,"
        "  kind TEXT NOT NULL,"
        "  level TEXT NOT NULL,"
        "  text TEXT NOT NULL,"
        "  reason TEXT NOT NULL"
        ");"
        "CREATE INDEX event_time ON event (time);"
        "CREATE TABLE series ("
        "  id INTEGER PRIMARY KEY,"
        "  metric TEXT NOT NULL,"
        "  service TEXT NOT NULL,"
        "  UNIQUE (metric, service)"
        ");"
        "CREATE TABLE sample ("
        "  series INTEGER NOT NULL,"
        "  time INTEGER NOT NULL,"
        "  value INTEGER NOT NULL,"
        "  PRIMARY KEY (series, time)"
        ") WITHOUT ROWID;"
        "CREATE TABLE position (key TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;"
        "PRAGMA user_version = 1;",
};

int sql_run(sqlite3 *db, const char *sql) {
        return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

int sql_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_statement) {
        return sqlite3_prepare_v2(db, sql, /* nByte= */ -1, ret_statement, /* pzTail= */ NULL);
}

int sql_step_done(sqlite3_stmt *statement) {
        int code = sqlite3_step(statement);

        return code == SQLITE_DONE ? SQLITE_OK : code;
}

int sql_number(sqlite3 *db, const char *sql, int64_t *ret_number) {
        CLEANUP_STATEMENT sqlite3_stmt *statement = NULL;

        int code = sql_prepare(db, sql, &statement);
        if (code != SQLITE_OK)
                return code;

        code = sqlite3_step(statement);
        if (code != SQLITE_ROW)
                return code;
        if (sqlite3_column_type(statement, 0) == SQLITE_NULL)
                return SQLITE_DONE;

        *ret_number = sqlite3_column_int64(statement, 0);
        return SQLITE_OK;
}

int sql_open(const char *path, int flags, sqlite3 **ret_db) {
        sqlite3 *db = NULL;

        assert(path);
        assert(ret_db);

        int code = sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, /* zVfs= */ NULL);
        if (code == SQLITE_OK)
                code = sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
        if (code == SQLITE_OK)
                /* The clerk shall stay small: half a megabyte of pages is a day of one series. */
                code = sql_run(
                        db,
                        "PRAGMA cache_size = -512; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF");

        if (code != SQLITE_OK) {
                /* A handle is given even when opening failed; the errno inside is wanted by nobody then. */
                (void) sqlite3_close(db);
                return code;
        }

        *ret_db = db;
        return SQLITE_OK;
}

static int errno_of_io(sqlite3 *db, int code) {
        int error = db ? sqlite3_system_errno(db) : 0;

        if (error == ENOSPC || error == EDQUOT || error == EFBIG)
                return -ENOSPC;
        if (code == SQLITE_IOERR_NOMEM)
                return -ENOMEM;

        return -EIO;
}

int sql_errno(sqlite3 *db, int code) {
        switch (code &
                0xFF) { /* the low byte is the primary result code, sqlite3_extended_result_codes() */
        case SQLITE_OK:
        case SQLITE_DONE:
        case SQLITE_ROW:
                return 0;
        case SQLITE_FULL:
                return -ENOSPC;
        case SQLITE_READONLY:
        case SQLITE_CANTOPEN:
        case SQLITE_PERM:
        case SQLITE_AUTH:
                return -EROFS;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return -EBUSY;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
        case SQLITE_FORMAT:
                return -EUCLEAN;
        case SQLITE_NOMEM:
                return -ENOMEM;
        case SQLITE_MISMATCH:
                return -EINVAL;
        case SQLITE_IOERR:
                return errno_of_io(db, code);
        default: /* SQLite's codes, not ours: the list grows */
                return -EIO;
        }
}

int sql_migrate(sqlite3 *db) {
        int64_t version = 0;

        int code = sql_number(db, "PRAGMA user_version", &version);
        if (code != SQLITE_OK)
                return code;
        if (version == (int64_t) ELEMENTSOF(schema_steps))
                return SQLITE_OK;
        if (version < 0 || version > (int64_t) ELEMENTSOF(schema_steps))
                return SQLITE_MISMATCH;

        code = sql_run(db, "BEGIN IMMEDIATE");
        for (size_t i = (size_t) version; i < ELEMENTSOF(schema_steps) && code == SQLITE_OK; i++)
                code = sql_run(db, schema_steps[i]);
        if (code == SQLITE_OK)
                code = sql_run(db, "COMMIT");
        if (code != SQLITE_OK)
                (void) sql_run(db, "ROLLBACK"); /* there may be nothing to roll back */

        return code;
}
