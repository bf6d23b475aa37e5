/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

/* Writes files on a thread of its own, in the order asked, so that a stuck disk never stops the loop. */
typedef struct Writer Writer;

typedef enum WriteKind {
        WRITE_REPLACE,  /* file_write_atomic() */
        WRITE_APPEND,   /* appended in one write, or not at all; made when absent */
        WRITE_JOURNAL,  /* the same, and on the disk itself (fdatasync(2)) when it is done */
        WRITE_TRUNCATE, /* emptied; no data */
        _WRITE_KIND_MAX,
} WriteKind;

/* Called on the loop when a job has ended: `r` is zero or a negative errno. */
typedef void (*WriterDone)(void *userdata, uint64_t ticket, int r);

/* Negative errno when the thread cannot be made. free with writer_free(), which waits until the queue is written or
 * two seconds have passed (then the thread is left to the exit of the process). */
int writer_new(sd_event *loop, WriterDone on_done, void *userdata, Writer **ret_writer);
Writer *writer_free(Writer *writer);

/* Queues one job; the bytes and the path are copied. Jobs with ticket zero are sure to be told of only when they failed,
 * and appends among them that follow one another to the same file may become one. -ENOBUFS when WRITER_QUEUE_MAX jobs wait: the caller decides what that means. */
int writer_put(Writer *writer,
               WriteKind kind,
               const char *path,
               mode_t mode,
               const char *data,
               size_t length,
               uint64_t ticket);

/* Jobs waiting or being written. */
unsigned writer_peek_backlog(const Writer *writer);

enum {
        WRITER_QUEUE_MAX = 32
};
