/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A main function for any fuzz target: feeds it every file of the folders it is given, once.
 *
 * So each input that ever found something is an ordinary test, with any compiler. The bytes lie in a
 * block of exactly their size, so that a sanitizer sees a read beyond them. A folder without files is
 * a failure: it would be a test that cannot fail.
 */

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "fuzz.h"

#define INPUT_MAX ((size_t) 16 * 1024 * 1024)

static int feed_file(const char *path) {
        CLEANUP_FREE char *text = NULL;
        size_t length;

        int r = file_read_alloc(path, INPUT_MAX, &text, &length);
        if (r < 0) {
                (void) fprintf(stderr, "%s: %s\n", path, strerror(-r));
                return r;
        }

        uint8_t *exact = malloc(length);
        if (!exact && length > 0)
                return -1;
        if (length > 0)
                memcpy(exact, text, length);

        /* The name comes first: a crash leaves no time to say it. */
        (void) printf("%s\n", path);
        (void) fflush(stdout);
        (void) LLVMFuzzerTestOneInput(exact, length);
        free(exact);
        return 0;
}

static int feed_folder(const char *folder) {
        struct dirent **entries;
        int fed = 0;
        int r = 0;

        int n = scandir(folder, &entries, NULL, alphasort);
        if (n < 0) {
                perror(folder);
                return -1;
        }

        for (int i = 0; i < n; i++) {
                char path[PATH_MAX];
                struct stat st;
                int length = snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);

                free(entries[i]);
                if (r < 0 || length < 0 || (size_t) length >= sizeof(path) || stat(path, &st) < 0 ||
                    !S_ISREG(st.st_mode))
                        continue;
                r = feed_file(path);
                fed++;
        }
        free(entries);

        if (fed == 0)
                (void) fprintf(stderr, "%s: no file in it\n", folder);
        return r < 0 || fed == 0 ? -1 : 0;
}

int main(int argc, char **argv) {
        if (argc < 2) {
                (void) fprintf(stderr, "usage: %s FOLDER…\n", argv[0]);
                return 2;
        }

        for (int i = 1; i < argc; i++)
                if (feed_folder(argv[i]) < 0)
                        return 1;

        return 0;
}
