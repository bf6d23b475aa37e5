/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Writer: the disk may hang, the watch may not.
 *
 *     loop ── writer_put() ──► queue ──► thread: write, fsync, rename
 *       ▲                                   │
 *       └───────── eventfd ◄────────────────┘  "ticket 7 is on disk"
 *
 * A write(2) or fsync(2) to a sick disk sleeps in the kernel and no flag makes it return, so it has
 * to happen on another thread. Jobs are done strictly in order, which is what makes "intent first,
 * then the act" and "checkpoint first, then the spool" true on disk as well. The queue is short and
 * refuses when it is full; its owner knows better than we do what may be forgone. Lines that follow
 * one another into the same file share a place in it, so that many events at once are one write.
 *
 * The thread allocates nothing, so that it does not bring a second heap into being.
 */

#include "io/writer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/macro.h"

/* So much may be appended in one write: far more than the events of one step, far less than would be missed. */
#define APPEND_MAX ((size_t) 1 << 20)

typedef struct Job {
        WriteKind kind;
        mode_t mode;
        uint64_t ticket;
        char *path; /* and the data behind its terminator, in one piece */
        size_t path_size;
        size_t length;
        int result;
} Job;

struct Writer {
        WriterDone on_done;
        void *userdata;
        sd_event_source *source;
        int event_fd;
        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t changed;

        /* Under the lock. One ring: [reaped, written) is done, [written, queued) waits; counters only grow. */
        Job jobs[WRITER_QUEUE_MAX];
        uint64_t n_reaped;
        uint64_t n_written;
        uint64_t n_queued;
        bool is_writing; /* the thread is at jobs[n_written] */
        bool is_ending;
};

static const char *job_data(const Job *job) {
        return job->path + job->path_size;
}

static int append_to(const Job *job) {
        CLEANUP_FD int fd =
                open(job->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY,
                     job->mode);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;

        int r = file_write_all(fd, job_data(job), job->length);

        /* On a full disk half a line would spoil the next one as well. A pipe has no size to go back to. */
        if (r < 0 && S_ISREG(st.st_mode))
                (void) !ftruncate(fd, st.st_size);
        if (r >= 0 && job->kind == WRITE_JOURNAL && S_ISREG(st.st_mode) && fdatasync(fd) < 0)
                r = -errno;
        return r;
}

static int job_write(const Job *job) {
        switch (job->kind) {
        case WRITE_REPLACE:
                return file_write_atomic(job->path, job_data(job), job->length, job->mode);
        case WRITE_APPEND:
        case WRITE_JOURNAL:
                return append_to(job);
        case WRITE_TRUNCATE:
                return truncate(job->path, 0) < 0 ? -errno : 0;
        case _WRITE_KIND_MAX:
                break;
        }

        assert(false);
        return -EINVAL;
}

static void *writer_main(void *userdata) {
        Writer *writer = userdata;

        (void) pthread_mutex_lock(&writer->lock);

        for (;;) {
                while (writer->n_written == writer->n_queued && !writer->is_ending)
                        (void) pthread_cond_wait(&writer->changed, &writer->lock);
                if (writer->n_written == writer->n_queued)
                        break;

                Job *job = &writer->jobs[writer->n_written % WRITER_QUEUE_MAX];
                writer->is_writing = true;

                (void) pthread_mutex_unlock(&writer->lock);
                int r = job_write(job);
                (void) pthread_mutex_lock(&writer->lock);

                job->result = r;
                writer->is_writing = false;
                writer->n_written++;
                (void) pthread_cond_broadcast(&writer->changed);
                (void) eventfd_write(writer->event_fd, 1); /* fails only when 2^64 are unread */
        }

        (void) pthread_mutex_unlock(&writer->lock);
        return NULL;
}

/* Takes one finished job out; false when there is none. */
static bool reap_one(Writer *writer, uint64_t *ret_ticket, int *ret_result) {
        (void) pthread_mutex_lock(&writer->lock);

        bool has_one = writer->n_reaped < writer->n_written;
        if (has_one) {
                Job *job = &writer->jobs[writer->n_reaped % WRITER_QUEUE_MAX];

                *ret_ticket = job->ticket;
                *ret_result = job->result;
                free(job->path);
                job->path = NULL;
                writer->n_reaped++;
        }

        (void) pthread_mutex_unlock(&writer->lock);
        return has_one;
}

static int on_written(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Writer *writer = userdata;
        eventfd_t count;
        uint64_t ticket;
        int r;

        (void) source;
        (void) revents;
        (void) eventfd_read(fd, &count); /* only the wake-up matters */

        while (reap_one(writer, &ticket, &r))
                writer->on_done(writer->userdata, ticket, r);

        return 0;
}

int writer_new(sd_event *loop, WriterDone on_done, void *userdata, Writer **ret_writer) {
        Writer *writer = calloc(1, sizeof(*writer));
        if (!writer)
                return -ENOMEM;

        writer->on_done = on_done;
        writer->userdata = userdata;
        (void) pthread_mutex_init(&writer->lock,
                                  NULL); /* neither can fail with default attributes on Linux */
        (void) pthread_cond_init(&writer->changed, NULL);

        writer->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        int r = writer->event_fd < 0 ? -errno : 0;
        if (r >= 0)
                r = sd_event_add_io(loop, &writer->source, writer->event_fd, EPOLLIN, on_written,
                                    writer);
        if (r >= 0) {
                /* Signals belong to the loop: the thread is made with all of them blocked. */
                sigset_t all;
                sigset_t saved;

                (void) sigfillset(&all);
                (void) pthread_sigmask(SIG_SETMASK, &all, &saved);
                r = -pthread_create(&writer->thread, NULL, writer_main, writer);
                (void) pthread_sigmask(SIG_SETMASK, &saved, NULL);
        }
        if (r < 0) {
                (void) sd_event_source_unref(writer->source);
                if (writer->event_fd >= 0)
                        (void) close(writer->event_fd);
                free(writer);
                return r;
        }

        *ret_writer = writer;
        return 0;
}

Writer *writer_free(Writer *writer) {
        if (!writer)
                return NULL;

        usec_t until_usec = clock_realtime_usec() + 2 * USEC_PER_SEC;
        struct timespec until = { .tv_sec = (time_t) (until_usec / USEC_PER_SEC),
                                  .tv_nsec = (long) (until_usec % USEC_PER_SEC) * 1000 };
        int r = 0;

        (void) pthread_mutex_lock(&writer->lock);
        writer->is_ending = true;
        (void) pthread_cond_broadcast(&writer->changed);
        while (writer->n_written < writer->n_queued && r != ETIMEDOUT)
                r = pthread_cond_timedwait(&writer->changed, &writer->lock, &until);
        bool is_stuck = writer->n_written < writer->n_queued;
        (void) pthread_mutex_unlock(&writer->lock);

        (void) sd_event_source_disable_unref(writer->source);

        /* A thread that sleeps in the kernel still uses the memory: the exit of the process takes both. */
        if (is_stuck)
                return NULL;

        (void) pthread_join(writer->thread, NULL);
        for (uint64_t i = writer->n_reaped; i < writer->n_written; i++)
                free(writer->jobs[i % WRITER_QUEUE_MAX].path);
        (void) close(writer->event_fd);
        free(writer);
        return NULL;
}

/* The lock is held. The job that waits last, when more of the same kind may go with it. */
static Job *
find_appendable(Writer *writer, WriteKind kind, const char *path, size_t length, uint64_t ticket) {
        uint64_t n_taken = writer->n_written + writer->is_writing;

        bool is_append = kind == WRITE_APPEND || kind == WRITE_JOURNAL;
        if (!is_append || ticket != 0 || n_taken >= writer->n_queued)
                return NULL;

        Job *last = &writer->jobs[(writer->n_queued - 1) % WRITER_QUEUE_MAX];
        bool is_same = last->kind == kind && last->ticket == 0 && strcmp(last->path, path) == 0;

        return is_same && last->length + length <= APPEND_MAX ? last : NULL;
}

/* The lock is held. The bytes go behind those of the job. */
static int job_extend(Job *job, const char *data, size_t length) {
        char *grown = realloc(job->path, job->path_size + job->length + length);
        if (!grown)
                return -ENOMEM;

        memcpy(grown + job->path_size + job->length, data, length);
        job->path = grown;
        job->length += length;
        return 0;
}

/* The lock is held. A quick disk has written many lines before the loop comes round to hear of it; of those that went
 * well there is nothing to tell. */
static void forget_uneventful(Writer *writer) {
        uint64_t first_kept = writer->n_written;

        for (uint64_t i = writer->n_written; i-- > writer->n_reaped;) {
                const Job *job = &writer->jobs[i % WRITER_QUEUE_MAX];

                if (job->ticket == 0 && job->result >= 0)
                        free(job->path);
                else
                        writer->jobs[--first_kept % WRITER_QUEUE_MAX] = *job;
        }

        writer->n_reaped = first_kept;
}

static int job_new(Writer *writer, const Job *like, const char *path, const char *data) {
        if (writer->n_queued - writer->n_reaped >= WRITER_QUEUE_MAX)
                forget_uneventful(writer);
        if (writer->n_queued - writer->n_reaped >= WRITER_QUEUE_MAX)
                return -ENOBUFS;

        Job job = *like;
        job.path_size = strlen(path) + 1;
        job.length = 0;
        job.path = strdup(path);
        if (!job.path)
                return -ENOMEM;

        int r = like->length > 0 ? job_extend(&job, data, like->length) : 0;
        if (r < 0) {
                free(job.path);
                return r;
        }

        writer->jobs[writer->n_queued++ % WRITER_QUEUE_MAX] = job;
        (void) pthread_cond_broadcast(&writer->changed);
        return 0;
}

int writer_put(Writer *writer,
               WriteKind kind,
               const char *path,
               mode_t mode,
               const char *data,
               size_t length,
               uint64_t ticket) {
        assert(writer);
        assert(path);
        assert(data || length == 0);

        const Job like = { .kind = kind, .mode = mode, .ticket = ticket, .length = length };

        (void) pthread_mutex_lock(&writer->lock);
        Job *last = find_appendable(writer, kind, path, length, ticket);
        int r = last ? job_extend(last, data, length) : job_new(writer, &like, path, data);
        (void) pthread_mutex_unlock(&writer->lock);

        return r;
}

unsigned writer_peek_backlog(const Writer *writer) {
        /* Only the loop's thread moves n_queued and n_reaped, and it is the one that asks. */
        return (unsigned) (writer->n_queued - writer->n_reaped);
}
