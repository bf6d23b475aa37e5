/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Checkpointer: the one place that waits for the disk.
 *
 * With a write-ahead log a transaction is an append that the kernel takes into its memory. Only moving
 * the log into the file has to wait until the disk has it. SQLite does that by default inside some
 * unlucky commit; here it is switched off there and done by a thread with a connection of its own. The
 * connection is opened for each checkpoint, so that a file that was set aside is simply not met again.
 *
 * A checkpoint that fails (disk full, file locked) is tried again when more was written: until then the
 * log holds everything.
 */

#include "store/checkpointer.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "store/sql.h"

struct Checkpointer {
        char *path;
        pthread_t thread;
        pthread_mutex_t mutex;
        pthread_cond_t condition;
        bool is_wanted;
        bool is_ended;
};

static void checkpoint(const char *path) {
        sqlite3 *db;

        if (sql_open(path, SQLITE_OPEN_READWRITE, &db) != SQLITE_OK)
                return;

        /* Passive: waits for nobody and keeps nobody waiting. */
        (void) sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL,
                                         NULL); /* see the essay */
        (void) sqlite3_close(db);               /* no statement is open */
}

static void *run(void *userdata) {
        Checkpointer *checkpointer = userdata;

        (void) pthread_mutex_lock(
                &checkpointer->mutex); /* fails only when misused, as do the ones below */

        while (!checkpointer->is_ended) {
                if (!checkpointer->is_wanted) {
                        (void) pthread_cond_wait(&checkpointer->condition, &checkpointer->mutex);
                        continue;
                }

                checkpointer->is_wanted = false;
                (void) pthread_mutex_unlock(&checkpointer->mutex);
                checkpoint(checkpointer->path);
                (void) pthread_mutex_lock(&checkpointer->mutex);
        }

        (void) pthread_mutex_unlock(&checkpointer->mutex);
        return NULL;
}

int checkpointer_new(const char *path, Checkpointer **ret_checkpointer) {
        sigset_t all;
        sigset_t before;

        assert(path);
        assert(ret_checkpointer);

        Checkpointer *checkpointer = calloc(1, sizeof(*checkpointer));
        if (!checkpointer)
                return -ENOMEM;

        checkpointer->path = strdup(path);
        if (!checkpointer->path) {
                free(checkpointer);
                return -ENOMEM;
        }

        (void) pthread_mutex_init(&checkpointer->mutex,
                                  NULL); /* cannot fail with these attributes */
        (void) pthread_cond_init(&checkpointer->condition, NULL);

        /* Signals are for the loop. */
        (void) sigfillset(&all);
        (void) pthread_sigmask(SIG_SETMASK, &all, &before);
        int r = pthread_create(&checkpointer->thread, NULL, run, checkpointer);
        (void) pthread_sigmask(SIG_SETMASK, &before, NULL);

        if (r != 0) {
                free(checkpointer->path);
                free(checkpointer);
                return -r;
        }

        *ret_checkpointer = checkpointer;
        return 0;
}

Checkpointer *checkpointer_free(Checkpointer *checkpointer) {
        if (!checkpointer)
                return NULL;

        (void) pthread_mutex_lock(&checkpointer->mutex);
        checkpointer->is_ended = true;
        (void) pthread_cond_signal(&checkpointer->condition);
        (void) pthread_mutex_unlock(&checkpointer->mutex);
        (void) pthread_join(checkpointer->thread, NULL);

        (void) pthread_cond_destroy(&checkpointer->condition);
        (void) pthread_mutex_destroy(&checkpointer->mutex);
        free(checkpointer->path);
        free(checkpointer);
        return NULL;
}

void checkpointer_post(Checkpointer *checkpointer) {
        assert(checkpointer);

        (void) pthread_mutex_lock(&checkpointer->mutex);
        checkpointer->is_wanted = true;
        (void) pthread_cond_signal(&checkpointer->condition);
        (void) pthread_mutex_unlock(&checkpointer->mutex);
}
