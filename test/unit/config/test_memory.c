/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Loading without memory: the n-th allocation fails, for every n, and each time there is an error
 * with words, no configuration, and nothing left over. A reload on a machine in need must be able to
 * fail and leave the old configuration in force.
 */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "config/load.h"
#include "unit.h"

static const char *folder;
static unsigned calls_left = UINT_MAX;

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

/* All of config/ takes its memory from here (the linker's --wrap). */
void *__wrap_calloc(size_t n, size_t size) {
        if (calls_left == 0)
                return NULL;

        calls_left--;
        return __real_calloc(n, size);
}

/* Loads with so many allocations granted; true when they were enough. */
static bool load_with(const char *text, size_t length, unsigned granted) {
        CLEANUP_CONFIG Config *config = NULL;
        ConfigError error = { .message = "" };

        calls_left = granted;
        int r = config_parse(text, length, "/c.yaml", &config, &error);
        calls_left = UINT_MAX;
        if (r >= 0) {
                assert_non_null(config);
                return true;
        }

        assert_int_equal(r, -ENOMEM);
        assert_null(config);
        assert_string_equal(error.message, "/c.yaml: there is no memory to load it");
        return false;
}

static void test_every_allocation_may_fail(void **state) {
        char path[PATH_MAX];
        CLEANUP_FREE char *text = NULL;
        size_t length;
        unsigned granted = 0;

        (void) state;
        (void) snprintf(path, sizeof(path), "%s/whole/every-key.yaml", folder);
        assert_int_equal(file_read_alloc(path, CONFIG_BYTES_MAX, &text, &length), 0);
        while (!load_with(text, length, granted))
                granted++;

        /* Two arenas with at least a block each; and few, as one lifetime needs few. */
        assert_in_range(granted, 4, 32);
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_allocation_may_fail),
        };

        if (argc != 2)
                return 2;
        folder = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
